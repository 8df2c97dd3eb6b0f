/** What `global-setup.ts` gives to the test files; its own process's variables do not reach them. */
declare module 'vitest' {
  interface ProvidedContext {
    /** Superuser's URL of a running cluster; empty in a run of unit tests alone. */
    postgresUrl: string;
    /** A running Temporal, `host:port`; empty in a run of unit tests alone. */
    temporalAddress: string;
    /** Where this run's programs are, as JavaScript; empty in a run of unit tests alone. */
    programs: string;
    /** Stands in the names of this run's databases, by which a later run finds those that a crash left. */
    runName: string;
  }
}

export {};
