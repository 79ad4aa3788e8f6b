-- A chain may replace its newest blocks. All events of the registry are kept, so that a room can be made again from
-- those that hold, and every move of a token, so that its holder is whoever the last one names.
CREATE TABLE registry_events (
    block    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    room     BLOB    NOT NULL,
    topics   BLOB    NOT NULL,
    data     BLOB    NOT NULL,
    PRIMARY KEY (block, position)
) WITHOUT ROWID;
CREATE INDEX registry_events_by_room ON registry_events (room);

DROP TABLE tokens;
CREATE TABLE token_moves (
    block    INTEGER NOT NULL,
    position INTEGER NOT NULL,
    token    BLOB    NOT NULL,
    holder   BLOB    NOT NULL,
    PRIMARY KEY (block, position)
) WITHOUT ROWID;
CREATE INDEX token_moves_by_token ON token_moves (token, block, position);
CREATE INDEX token_moves_by_holder ON token_moves (holder);

-- What came before these tables is read again, with all events.
DELETE FROM registry_state;
DELETE FROM token_state;
