-- A database around one table: a customer is a row of `account`, and everything that refers to it goes with it.
CREATE TABLE country (code text PRIMARY KEY);
CREATE TABLE account (id integer PRIMARY KEY, name text NOT NULL, country text NOT NULL REFERENCES country);
CREATE TABLE invoice (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id integer NOT NULL REFERENCES account,
    replaces_id bigint REFERENCES invoice,
    issued date NOT NULL
);
CREATE TABLE invoice_line (invoice_id bigint NOT NULL REFERENCES invoice ON DELETE CASCADE, what text NOT NULL, price numeric NOT NULL);
CREATE TABLE payment (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, invoice_id bigint REFERENCES invoice, amount numeric NOT NULL);
CREATE TABLE mail_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account_id text, subject text);
CREATE INDEX ON invoice (account_id);
CREATE INDEX ON invoice (replaces_id);
CREATE INDEX ON invoice_line (invoice_id);
CREATE INDEX ON payment (invoice_id);

INSERT INTO country VALUES ('DE'), ('ES');
INSERT INTO account VALUES (7, 'Seven Ltd', 'DE'), (8, 'Eight SL', 'ES');
INSERT INTO invoice (account_id, issued) SELECT c, date '2026-01-01' + n FROM unnest(ARRAY[7, 8]) c, generate_series(1, 30) n;
UPDATE invoice SET replaces_id = id - 1 WHERE id IN (5, 35);
INSERT INTO invoice_line SELECT id, 'work', 100 FROM invoice, generate_series(1, 3);
INSERT INTO payment (invoice_id, amount) SELECT id, 300 FROM invoice;
INSERT INTO mail_log (account_id, subject) SELECT account_id, 'Your invoice' FROM invoice;
