-- What the registry's events say, up to `block`. Another chain or registry means another index.
CREATE TABLE registry_state (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    chain_id INTEGER NOT NULL,
    registry BLOB    NOT NULL,
    block    INTEGER NOT NULL
);

CREATE TABLE rooms (
    room     BLOB    NOT NULL PRIMARY KEY,
    owner    BLOB    NOT NULL,
    archived INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- role: 1 member, 2 moderator, 3 owner, as in the contract. Who is not in has no row.
CREATE TABLE members (
    room   BLOB    NOT NULL,
    person BLOB    NOT NULL,
    role   INTEGER NOT NULL,
    block  INTEGER NOT NULL,
    PRIMARY KEY (room, person)
) WITHOUT ROWID;
CREATE INDEX members_by_person ON members (person);
