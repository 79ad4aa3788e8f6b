-- The mailbox on PostgreSQL: the same tables as in SQLite's 0001, in its words.

-- Sealed events as they arrived. `arrival` orders a device's events by their seq, so a page read by arrival is in
-- order for every device.
CREATE TABLE envelopes (
    arrival     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room        BYTEA  NOT NULL,
    device      BYTEA  NOT NULL,
    seq         BIGINT NOT NULL,
    id          BYTEA  NOT NULL,
    received_at BIGINT NOT NULL,
    bytes       BYTEA  NOT NULL
);
CREATE UNIQUE INDEX envelopes_by_seq ON envelopes (room, device, seq);

-- The last seq of each device in a room; everything below it was there.
CREATE TABLE heads (
    room   BYTEA  NOT NULL,
    device BYTEA  NOT NULL,
    seq    BIGINT NOT NULL,
    PRIMARY KEY (room, device)
);

-- What a person has put into a room, for quotas.
CREATE TABLE used (
    room   BYTEA  NOT NULL,
    person BYTEA  NOT NULL,
    bytes  BIGINT NOT NULL,
    PRIMARY KEY (room, person)
);

-- Devices that have proved whose they are, by the wallet's signature.
CREATE TABLE devices (
    device     BYTEA  NOT NULL PRIMARY KEY,
    person     BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);
