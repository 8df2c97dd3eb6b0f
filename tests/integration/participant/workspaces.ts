/** A schema around one root table: text keys, names that need quotes, inheritance, rows without a key. */

export const WORKSPACES_SQL = `
CREATE SCHEMA app; CREATE SCHEMA "Audit Log";
CREATE TYPE app.status AS ENUM ('open', 'done');
CREATE DOMAIN app.slug AS text CHECK (VALUE ~ '^[a-z0-9-]+$');
CREATE TABLE app."User" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email text NOT NULL UNIQUE);
CREATE TABLE app."Workspace" ("Id" text PRIMARY KEY, name text NOT NULL, "ownerId" uuid NOT NULL REFERENCES app."User",
  "parentId" text REFERENCES app."Workspace" ON DELETE SET NULL);
CREATE TABLE app."Member" ("workspaceId" text NOT NULL REFERENCES app."Workspace" ON DELETE CASCADE,
  "userId" uuid NOT NULL REFERENCES app."User", role text NOT NULL, PRIMARY KEY ("workspaceId", "userId"));
CREATE TABLE app."Project" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "workspaceId" text NOT NULL REFERENCES app."Workspace",
  slug app.slug NOT NULL, "defaultTaskId" bigint, UNIQUE ("workspaceId", slug));
CREATE TABLE app."Task" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "projectId" bigint NOT NULL REFERENCES app."Project",
  title text NOT NULL, status app.status NOT NULL DEFAULT 'open', "parentId" bigint REFERENCES app."Task",
  tags text[] NOT NULL DEFAULT '{}', during tstzrange, "words in title" int GENERATED ALWAYS AS (length(title)) STORED);
ALTER TABLE app."Project" ADD CONSTRAINT "Project_defaultTaskId_fkey" FOREIGN KEY ("defaultTaskId") REFERENCES app."Task" DEFERRABLE;
CREATE TABLE app.comment (id uuid PRIMARY KEY, "taskId" bigint REFERENCES app."Task", "projectId" bigint REFERENCES app."Project", body text);
CREATE TABLE app.reaction (comment_id uuid NOT NULL REFERENCES app.comment ON DELETE CASCADE, emoji text NOT NULL);
CREATE TABLE app."Share" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "fromWorkspaceId" text NOT NULL REFERENCES app."Workspace",
  "toWorkspaceId" text NOT NULL REFERENCES app."Workspace", "projectId" bigint NOT NULL REFERENCES app."Project");
CREATE TABLE app.event (at timestamptz NOT NULL, "workspaceId" text NOT NULL REFERENCES app."Workspace", what text) PARTITION BY RANGE (at);
CREATE TABLE app.event_1 PARTITION OF app.event FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE app."event of February" PARTITION OF app.event FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE app.document (id int PRIMARY KEY, "projectId" bigint NOT NULL REFERENCES app."Project", title text);
CREATE TABLE app.contract (signed date) INHERITS (app.document);
CREATE TABLE app."time ""spent""" ("taskId" bigint NOT NULL REFERENCES app."Task", minutes int NOT NULL);
CREATE TABLE app.session (token text PRIMARY KEY, "userId" uuid NOT NULL REFERENCES app."User", "lastTaskId" bigint REFERENCES app."Task");
CREATE TABLE "Audit Log".entry (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "workspaceId" varchar(80), task_id text, what text);
CREATE TABLE "Audit Log".export (id int PRIMARY KEY, project bigint REFERENCES app."Project", file text);
CREATE TABLE app.setting (id int PRIMARY KEY, theme text NOT NULL);
ALTER TABLE app."Workspace" ADD COLUMN "settingId" int UNIQUE REFERENCES app.setting;
CREATE TABLE app.log (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "projectId" bigint REFERENCES app."Project" ON DELETE SET NULL, what text);
CREATE TABLE app.country (code text PRIMARY KEY);
INSERT INTO app.country VALUES ('es'), ('de');
INSERT INTO app."User" (id, email) SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'u' || n || '@example.org' FROM generate_series(1, 4) n;
INSERT INTO app.session SELECT 's' || n, ('00000000-0000-4000-8000-00000000000' || n)::uuid, NULL FROM generate_series(1, 3) n;
CREATE INDEX ON app."Task" ("projectId"); CREATE INDEX ON app."Task" ("parentId"); CREATE INDEX ON app.comment ("taskId");
`;

/** A key that a person might have chosen. */
export const ACME = 'acme & sön\'s / "1"';

/** Rows of one workspace; ids from `from` on. */
export function workspaceRows(key: string, from: number): string {
  const id = (n: string) => `${from} + ${n}`;
  const tenant = `'${key.replaceAll("'", "''")}'`;
  const user = (n: string) => `('00000000-0000-4000-8000-00000000000' || ${n})::uuid`;
  const uuid = (n: string) => `md5('${from}' || ${n})::uuid`;
  return `
BEGIN;
INSERT INTO app.setting VALUES (${id('1')}, 'dark');
INSERT INTO app."Workspace" VALUES (${tenant}, 'w', ${user('1')}, NULL, ${id('1')});
INSERT INTO app."Member" SELECT ${tenant}, ${user('n')}, 'admin' FROM generate_series(1, 3) n;
INSERT INTO app."Project" (id, "workspaceId", slug) OVERRIDING SYSTEM VALUE SELECT ${id('n')}, ${tenant}, 'p-' || n FROM generate_series(1, 4) n;
INSERT INTO app."Task" (id, "projectId", title, status, "parentId", tags, during) OVERRIDING SYSTEM VALUE
  SELECT ${id('n')}, ${id('1 + n % 4')}, 'task ' || n, (CASE WHEN n % 2 = 0 THEN 'open' ELSE 'done' END)::app.status,
         CASE WHEN n > 4 THEN ${id('n')} - 4 END, ARRAY['a', n::text], tstzrange('2026-01-01', NULL) FROM generate_series(1, 20) n;
UPDATE app."Project" SET "defaultTaskId" = id + 4 WHERE "workspaceId" = ${tenant};
INSERT INTO app.comment SELECT ${uuid('n')}, CASE WHEN n % 3 > 0 THEN ${id('1 + n % 20')} END, CASE WHEN n % 3 = 0 THEN ${id('1 + n % 4')} END, 'c' FROM generate_series(1, 30) n;
INSERT INTO app.reaction SELECT ${uuid('n')}, '+1' FROM generate_series(1, 10) n, generate_series(1, 2);
INSERT INTO app.event SELECT timestamptz '2026-01-15' + n * interval '1 day', ${tenant}, 'e' FROM generate_series(1, 30) n;
INSERT INTO app.document SELECT ${id('n')}, ${id('1 + n % 4')}, 'd' FROM generate_series(1, 3) n;
INSERT INTO app.contract SELECT ${id('n')}, ${id('1 + n % 4')}, 'd', '2026-01-01' FROM generate_series(11, 13) n;
INSERT INTO app."time ""spent""" SELECT ${id('1 + n % 2')}, 5 FROM generate_series(1, 6) n;
INSERT INTO "Audit Log".entry ("workspaceId", task_id, what) SELECT ${tenant}, (${id('n')})::text, 'x' FROM generate_series(1, 4) n;
INSERT INTO "Audit Log".export SELECT ${id('n')}, ${id('1 + n % 4')}, 'f' FROM generate_series(1, 2) n;
COMMIT;
UPDATE app.session SET "lastTaskId" = ${id('1')} WHERE token = 's1';`;
}

/** What goes with one workspace, besides rows of two. */
export const WORKSPACE_ROWS = 1 + 1 + 3 + 4 + 20 + 30 + 20 + 30 + 3 + 3 + 6 + 4 + 2;
