/** A certificate as a page: no script, nothing loaded from elsewhere, and every value escaped. */
import { createHash } from 'node:crypto';
import type { Certificate, CertifiedService, CertifiedTable } from '../proof/certificate.js';

const STYLE = `
body { font: 15px/1.5 Georgia, "Times New Roman", serif; color: #1a1a1a; max-width: 54rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #999; }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .35rem 0; }
dl { display: grid; grid-template-columns: 12rem 1fr; gap: .2rem 1rem; margin: .5rem 0; }
dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; margin: .35rem 0; font-size: .9rem; }
th, td { text-align: left; padding: .2rem .5rem .2rem 0; border-bottom: 1px solid #ddd; vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: normal; color: #555; white-space: nowrap; overflow-wrap: normal; } td.n, th.n { text-align: right; }
td:first-child { overflow-wrap: normal; }
.open { border: 1px solid #999; padding: .5rem 1rem; }
code, .jws { font: .78rem/1.4 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.jws { white-space: pre-wrap; word-break: break-all; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2, h3 { break-after: avoid; } tr { break-inside: avoid; } }
`;

/** Its own style, by its hash, and nothing else. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

const LATE_WRITES: Readonly<Record<string, string>> = {
  trigger: 'refused by triggers in the database',
  application: 'refused by the application',
  none: 'not kept out there; what came was deleted before it was found clean',
};

const WHAT_STORAGE: Readonly<Record<string, string>> = {
  dead_tuples: 'Dead rows in data files',
  write_ahead_log: 'Write-ahead log',
  replicas: 'Replicas',
  backups: 'Backups',
};

export function certificatePage(said: Certificate, jws: string): string {
  const { job, requested, approval, totals, not_covered: notCovered, audit } = said;
  const body = [
    html`<h1>Certificate of erasure</h1>`,
    html`<p>${said.issuer} states that the data of the tenant <strong>${said.tenant_id}</strong> was deleted as told below.</p>`,
    facts([
      ['Certificate', said.certificate_id],
      ['Issued', said.issued_at],
      ['Deletion job', job.job_id],
      ...optional('Repeats job', job.replay_of),
      ...optional('Erases what came back after job', job.reapplies),
      ...(job.scope.length > 0 ? ([['Only at', job.scope.join(', ')]] as const) : []),
      ['Rows deleted', number(totals.deleted)],
      ['Rows retained', number(totals.retained)],
      ['Rows anonymized', number(totals.anonymized)],
      ['Rows kept', number(totals.kept)],
    ]),
    html`<h2>Who decided</h2>`,
    facts([
      ['Asked for', `${job.requested_at}, by ${requested.id} (${requested.role})`],
      ['On the ground', requested.ground ?? 'none was given'],
      ['Preview', approval.preview_hash ?? 'none'],
      ['Approval', approval.required ? 'required' : 'not required'],
      ...optional('Approval hash', approval.approval_hash),
      ...approval.approvals.map(
        ({ at, id, role, ground }) => ['Approved', `${at}, by ${id} (${role}): ${ground}`] as const,
      ),
      ...optional('Moved aside', job.staged_at),
      ['Point of no return', job.decided_at],
    ]),
    html`<p>People are named by pseudonyms; the records of the issuer may still know who they are.</p>`,
    html`<h2>What was deleted</h2>`,
    ...said.services.map(service),
    ...waivers(said),
    ...orphans(said),
    html`<h2>What this does not cover</h2>`,
    table(
      ['what', 'gone by', ''],
      notCovered.storage.map(({ what, explanation, gone_by }) => [
        WHAT_STORAGE[what] ?? what,
        gone_by ?? 'not known',
        explanation,
      ]),
    ),
    html`<div class="open"><p>Outside of the services above, nothing was deleted. Known to hold data of tenants:</p><ul>`,
    ...notCovered.systems.map((system) => html`<li>${system}</li>`),
    html`</ul></div>`,
    html`<h2>How to check it</h2>`,
    facts([
      ['Signed with key', said.key_id],
      ['Audit trail', `${audit.chain}, event ${audit.position}, ${audit.hash}`],
    ]),
    html`<p>This page is only a reading of what is signed. To check the signature, save the text below as a file and run</p>`,
    html`<p><code>lethe certificate verify FILE --keys https://…/.well-known/certificate-keys.json --tenant ${said.tenant_id}</code></p>`,
    html`<p class="jws">${jws}</p>`,
  ].join('\n');
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Certificate of erasure</title><style>${STYLE}</style></head>
<body>
${body}
</body>
</html>
`;
}

function service(one: CertifiedService): string {
  const { purged_at, verified_at, horizon, fence, plan_hash, tables } = one;
  const shown = tables.filter((each) => each.deleted + each.retained + each.anonymized + each.kept > 0);
  return [
    html`<h3>${one.service}</h3>`,
    facts([
      ...optional('Deleted', purged_at),
      ['Found clean', verified_at],
      ['Horizon', horizon ?? 'none: its store has none'],
      ['Late writes', LATE_WRITES[fence ?? ''] ?? 'nobody has said what keeps them out'],
      ...optional('Plan', plan_hash),
    ]),
    shown.length === 0 ? html`<p>It had no rows of this tenant.</p>` : tablesOf(shown),
  ].join('\n');
}

/** A column for each thing that became of any row. */
function tablesOf(shown: readonly CertifiedTable[]): string {
  const kinds = (['deleted', 'retained', 'anonymized', 'kept'] as const).filter(
    (kind) => kind === 'deleted' || shown.some((each) => each[kind] > 0),
  );
  const grounds = kinds.includes('retained');
  const digests = shown.some((each) => each.digest !== null);
  return table(
    ['table', ...kinds, ...(grounds ? ['ground, until'] : []), ...(digests ? ['digest'] : [])],
    shown.map((each) => [
      each.table,
      ...kinds.map((kind) => each[kind]),
      ...(grounds ? [terms(each)] : []),
      ...(digests ? [each.digest?.digest ?? ''] : []),
    ]),
  );
}

function terms({ retained, ground, retain_until }: CertifiedTable): string {
  if (retained === 0) return '';
  return `${ground ?? 'no ground is known'}, ${retain_until?.slice(0, 10) ?? 'until no date that is known'}`;
}

function waivers({ waivers: all }: Certificate): string[] {
  if (all.length === 0) return [];
  return [
    html`<h2>Services that were not asked</h2>`,
    table(
      ['service', 'left out from', 'why', 'asked for by', 'approved by'],
      all.map(({ service: name, reason, phase, at, requested_by, approved_by }) => [
        name,
        `${phase}, ${at}`,
        reason,
        requested_by,
        approved_by,
      ]),
    ),
  ];
}

function orphans({ orphan_users: users }: Certificate): string[] {
  if (users === null) return [];
  const sentence = `${users.found} users had no other tenant; the policy is “${users.policy}”, and ${users.deleted} were deleted.`;
  return [html`<h2>People who were only there</h2>`, html`<p>${sentence}</p>`];
}

type Fact = readonly [name: string, value: string];

function optional(name: string, value: string | null): readonly Fact[] {
  return value === null ? [] : [[name, value]];
}

function facts(rows: readonly Fact[]): string {
  const lines = rows.map(([name, value]) => html`<dt>${name}</dt><dd>${value}</dd>`);
  return `<dl>\n${lines.join('\n')}\n</dl>`;
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const numbers = head.map((_, index) => rows.some((row) => typeof row[index] === 'number'));
  const cell = (tag: string, value: string | number, index: number) =>
    `<${tag}${numbers[index] ? ' class="n"' : ''}>${escaped(typeof value === 'number' ? number(value) : value)}</${tag}>`;
  const line = (tag: string, cells: readonly (string | number)[]) =>
    `<tr>${cells.map((value, index) => cell(tag, value, index)).join('')}</tr>`;
  return `<table><thead>${line('th', head)}</thead><tbody>\n${rows.map((row) => line('td', row)).join('\n')}\n</tbody></table>`;
}

function number(value: number): string {
  return new Intl.NumberFormat('en-US').format(value);
}

/** Text with values in it, each escaped. */
function html(parts: TemplateStringsArray, ...values: readonly string[]): string {
  return parts.map((part, index) => part + escaped(values[index] ?? '')).join('');
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}
