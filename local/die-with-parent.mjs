// Loaded into the processes that local/ starts: without their supervisor nobody would ever stop them.
const parent = process.ppid;

setInterval(() => {
  if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
}, 1_000).unref();
