-- How long a room is kept after the last word, as its owner wants it; 0: as long as the operator keeps rooms.
CREATE TABLE retention (
    room    BLOB    NOT NULL PRIMARY KEY,
    days    INTEGER NOT NULL,
    said_at INTEGER NOT NULL
) WITHOUT ROWID;
