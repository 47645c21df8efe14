// The tables of the store, as SQL: how a new file is made, and how one of an earlier version becomes one of
// today's. Executing it is state_db's.
#pragma once

#include <array>
#include <cstdint>

namespace pmctl {

inline constexpr std::int64_t application_id = 0x706d6374;  // "pmct", shown by file(1)

// Each makes a database of the version that is its place in this list one of the next: the first one a new
// file. What was given out is never edited, a change is one more step.
inline constexpr std::array schema_steps = {
    R"(
BEGIN IMMEDIATE;
CREATE TABLE intentions (instance TEXT NOT NULL, replica INTEGER NOT NULL, wanted TEXT NOT NULL,
                         PRIMARY KEY (instance, replica)) WITHOUT ROWID;
CREATE TABLE scales (instance TEXT NOT NULL PRIMARY KEY, replicas INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (run INTEGER PRIMARY KEY, instance TEXT NOT NULL, replica INTEGER NOT NULL,
                   pid INTEGER NOT NULL, port INTEGER NOT NULL, started_at INTEGER NOT NULL);
CREATE TABLE numbers (name TEXT NOT NULL PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT NOT NULL,
                     kind TEXT NOT NULL, text TEXT NOT NULL);
PRAGMA application_id = 1886217076;
PRAGMA user_version = 1;
COMMIT;
)",
    R"(
BEGIN IMMEDIATE;
ALTER TABLE runs ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN role TEXT NOT NULL DEFAULT 'current';
ALTER TABLE runs ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN was_healthy INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN log_name TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN start_ticks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN listening INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN cgroup TEXT NOT NULL DEFAULT '';
PRAGMA user_version = 2;
COMMIT;
)",
};
// PRAGMA user_version
inline constexpr auto schema_version = static_cast<std::int64_t>(schema_steps.size());

// Came later, as an addition that leaves the version as it is: an older pmctl passes over it.
inline constexpr const char* added_tables = R"(
CREATE TABLE IF NOT EXISTS admin (one INTEGER PRIMARY KEY CHECK (one = 1), snapshot TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (number INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT NOT NULL,
                                  mark INTEGER NOT NULL, took INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rests (instance TEXT NOT NULL, replica INTEGER NOT NULL, rest TEXT NOT NULL,
                                  phase TEXT NOT NULL, reason TEXT NOT NULL, next_start_at INTEGER NOT NULL,
                                  failures INTEGER NOT NULL, restarts INTEGER NOT NULL, exit_code INTEGER,
                                  fingerprint TEXT NOT NULL, port INTEGER NOT NULL,
                                  listening INTEGER NOT NULL, boot_id TEXT NOT NULL,
                                  PRIMARY KEY (instance, replica)) WITHOUT ROWID;
)";

}  // namespace pmctl
