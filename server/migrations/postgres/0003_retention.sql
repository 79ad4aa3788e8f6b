-- How long a room is kept after the last word, as its owner wants it; 0: as long as the operator keeps rooms.
CREATE TABLE retention (
    room    BYTEA  NOT NULL PRIMARY KEY,
    days    BIGINT NOT NULL,
    said_at BIGINT NOT NULL
);
