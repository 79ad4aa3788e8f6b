-- What wallets have signed, so that other relays need not take our word for it. Empty: from before this was kept; the
-- device's next join fills it in.
ALTER TABLE devices ADD COLUMN issued_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN signature BLOB NOT NULL DEFAULT x'';
ALTER TABLE revocations ADD COLUMN signature BLOB NOT NULL DEFAULT x'';
