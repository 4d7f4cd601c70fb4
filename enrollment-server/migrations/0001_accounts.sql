-- Accounts, their devices with the Node-IDs these were given, and the certificates issued.
CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE BINARY,
    password TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL
) STRICT;

CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id),
    label TEXT NOT NULL,
    UNIQUE (account, label)
) STRICT;

CREATE TABLE node_ids (
    node_id TEXT NOT NULL PRIMARY KEY,
    device INTEGER NOT NULL REFERENCES devices (id),
    position INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX node_ids_of_device ON node_ids (device, position);

CREATE TABLE certificates (
    serial TEXT NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id),
    device TEXT NOT NULL,
    node_ids TEXT NOT NULL,
    issued INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    revoked INTEGER,
    certificate BLOB NOT NULL
) STRICT;
CREATE INDEX certificates_of_account ON certificates (account);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
