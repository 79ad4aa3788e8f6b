-- Sealed events as they arrived. `arrival` orders a room's history: a device's events always arrive in the order
-- of their seq, so a page read by arrival is in order for every device.
CREATE TABLE envelopes (
    arrival     INTEGER PRIMARY KEY AUTOINCREMENT,
    room        BLOB    NOT NULL,
    device      BLOB    NOT NULL,
    seq         INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    received_at INTEGER NOT NULL,
    bytes       BLOB    NOT NULL
);
CREATE UNIQUE INDEX envelopes_by_seq ON envelopes (room, device, seq);

-- The last seq of each device in a room; everything below it is there.
CREATE TABLE heads (
    room   BLOB    NOT NULL,
    device BLOB    NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (room, device)
) WITHOUT ROWID;

-- What a person has put into a room, for quotas.
CREATE TABLE used (
    room   BLOB    NOT NULL,
    person BLOB    NOT NULL,
    bytes  INTEGER NOT NULL,
    PRIMARY KEY (room, person)
) WITHOUT ROWID;

-- Devices that have proved whose they are, by the wallet's signature.
CREATE TABLE devices (
    device     BLOB    NOT NULL PRIMARY KEY,
    person     BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
