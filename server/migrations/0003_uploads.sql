-- Who stored which file, for quotas. The bytes lie in the blob store under the CID.
CREATE TABLE uploads (
    person BLOB    NOT NULL,
    cid    TEXT    NOT NULL,
    size   INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (person, cid)
) WITHOUT ROWID;
