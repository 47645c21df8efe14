// The rolling update of a running replica: the next process runs beside the current one as its candidate,
// takes over when it is healthy, and what ran before it drains and goes. The state is replica.hpp's; whose
// turn it is and where requests are sent is the Supervisor's.
//
//   None      ── another process is wanted ──► Waiting   its turn has not come
//   Waiting   ── UpdateTurn ─────────────────► Trying    a candidate is started, and is not healthy yet
//   Trying    ── the candidate is healthy ───► None      it is the current run; the one before it is outgoing
//             ── it ends, is not healthy in
//                time, or cannot be started ─► Failed    the current run stays as it is
//
// From each of them: another process is wanted → Waiting with that one (or None, where that one runs
// already); a stop or a plain restart → None. A candidate that is under way then is outgoing.
//
// The current run is looked after meanwhile as ever: should it crash, it is started again from what it was
// started from. A lack of the machine's (no port, no memory) is waited out until update.timeout.
#pragma once

#include <string>

#include "supervisor/core/replica.hpp"

namespace pmctl::rolling {

// With health.kind = "none" nothing tells that a candidate works, but that it has lived for so long.
constexpr Duration candidate_trial = std::chrono::seconds(1);

// It is to be updated by a candidate: strategy = "rolling", a run that serves, and a port that two can have
// one of each, or a listening socket that they share.
bool rolls(const Replica& replica);
// Two processes of these specifications may take connections from one listening socket: the supervisor keeps
// it, and an HTTP check can tell which of them has answered, or there is none that would have to.
bool share_socket(const InstanceSpec& running, const InstanceSpec& next);
// Another process is wanted: replica.spec's.
void ask(Replica& replica, Now now, Actions& actions);
// The update is over, whatever came of it; a candidate goes, by KILL with `at_once`.
void call_off(Replica& replica, bool at_once, Now now, Actions& actions);
// The same, and it is said to have failed.
void fail(Replica& replica, std::string reason, Now now, Actions& actions);
void take_turn(Replica& replica, Now now, Actions& actions);

void spawned(Replica& replica, const Spawned& child, Now now, Actions& actions);
void not_spawned(Replica& replica, const SpawnFailed& failure, double random, Now now, Actions& actions);
void no_port(Replica& replica, const NoPort& lack, Now now);
void may_start(Replica& replica, Actions& actions);
// Of the candidate.
void checked(Replica& replica, const CheckResult& result, double random, Now now, Actions& actions);
void exited(Replica& replica, const Exited& end, Now now, Actions& actions);
// Deadlines of everything but the current run.
void woke(Replica& replica, Now now, Actions& actions);
TimePoint next_deadline(const Replica& replica);

// Of an earlier supervisor: its candidate goes on being tried, what was on its way out goes.
void adopt_candidate(Replica& replica, Run run, Now now);
void adopt_outgoing(Replica& replica, Run run, Now now, Actions& actions);

// Of a run that is on its way out.
void outgoing_exited(Replica& replica, const Exited& end, Now now, Actions& actions);
void unrouted(Replica& replica, const Unrouted& left, Now now, Actions& actions);
void end_outgoing_at_once(Replica& replica, Now now, Actions& actions);

std::string broken_invariant(const Replica& replica);

}  // namespace pmctl::rolling
