-- Who holds which conversation token, as its Transfer events say up to `block`. Another chain or contract means
-- another index.
CREATE TABLE token_state (
    one      INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    chain_id INTEGER NOT NULL,
    contract BLOB    NOT NULL,
    block    INTEGER NOT NULL
);

CREATE TABLE tokens (
    token  BLOB    NOT NULL PRIMARY KEY,
    holder BLOB    NOT NULL,
    minted INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tokens_by_holder ON tokens (holder);
