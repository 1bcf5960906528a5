-- The collector's memory, version 2. Times are seconds since the epoch, UTC.

-- A batch is claimed before it is sent, accepted before its records are deleted, done when they are.
-- An identity is "inode size mtime_ns", as text: an inode may have 64 bits. A word before these is ignored.
-- Packed: lines, deflated (zlib). members: packed, one STORAGE/NAME a line. identities: packed, one a line, null once done.
CREATE TABLE batch (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('claimed', 'accepted', 'done')),
    sha256 TEXT NOT NULL,
    archive_bytes INTEGER NOT NULL,
    records INTEGER NOT NULL,
    members BLOB NOT NULL,
    identities BLOB,
    claimed_at REAL NOT NULL,
    accepted_at REAL,
    http_status INTEGER,
    request_id TEXT
);
CREATE INDEX batch_state ON batch (state, claimed_at);

-- Records that were accepted and are still in the spool: cleanup_after_send is off, or they can't be deleted.
CREATE TABLE sent (
    storage TEXT NOT NULL,
    name TEXT NOT NULL,
    identity TEXT NOT NULL,
    looked_at REAL NOT NULL,
    missing INTEGER NOT NULL DEFAULT 0, -- whether it was not there at that look
    PRIMARY KEY (name, storage)
) WITHOUT ROWID;

-- What became of records that were not sent: dropped, quarantined, released, discarded, forgotten.
CREATE TABLE event (
    at REAL NOT NULL,
    fate TEXT NOT NULL,
    member TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX event_at ON event (at);

CREATE TABLE run (
    started_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    status INTEGER NOT NULL,
    report TEXT NOT NULL
);
CREATE INDEX run_started ON run (started_at);

-- Single facts: since when archives that are not in here are those of batches that were never claimed, until when the ingress wants peace, the totals since the beginning, the watch on ages.
CREATE TABLE fact (
    key TEXT PRIMARY KEY,
    value REAL NOT NULL
);

PRAGMA user_version = 2;
