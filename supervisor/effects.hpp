// The seam: what the Supervisor may ask of the world, and the plain values that go over it. The real
// implementation is io/real_effects, the tests' is FakeEffects; reports come back through Supervisor's
// methods.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/protocol.hpp"
#include "shared/result.hpp"
#include "shared/time.hpp"
#include "supervisor/core/admin_call.hpp"
#include "supervisor/core/config.hpp"
#include "supervisor/core/group_limits.hpp"
#include "supervisor/core/mark.hpp"
#include "supervisor/core/replica.hpp"

namespace pmctl {

// Everything that one start of one process needs, nothing left to be looked up.
struct SpawnRequest {
    RunNumber run = 0;
    std::string log_name;           // "web", "web:1": names its log folder, FIFOs and cgroup
    std::vector<std::string> argv;  // argv[0] is looked up in the child's PATH if it has no slash
    std::vector<std::string> env;   // "KEY=value"
    // The same for many; what `env` names is not taken from it. Null: nothing more.
    std::shared_ptr<const std::vector<std::string>> base_env;
    std::string working_dir;  // absolute
    std::string user;         // name or number; "": as the supervisor
    std::string group;        // name or number; "": the user's own
    std::uint32_t umask = 0022;
    LimitSettings limits;
    std::uint16_t listen_port = 0;  // not 0: hand over a listening socket for it (LISTEN_FDS)
    // Told to the process' environment (PMCTL_RUN) and to the store, for the next supervisor:
    std::uint16_t port = 0;
    std::string fingerprint;  // spec_fingerprint
};

// A step of a start that failed: "chdir '/srv/shop': No such file or directory".
struct SpawnFailure {
    std::string message;
    bool transient =
        false;  // the machine's lack, not the configuration's fault: EAGAIN, ENOMEM, EMFILE, ENFILE
};

using SpawnOutcome = tl::expected<int, SpawnFailure>;  // the pid

// The end of a run's process, and what else is known of it ("out of memory: ..."), "" usually.
struct EndedRun {
    RunNumber run = 0;
    ExitStatus status;
    std::string note;
};

// One check of one run, to be answered by Supervisor::checked exactly once.
struct CheckRequest {
    RunNumber run = 0;
    HealthKind kind = HealthKind::Http;
    std::uint16_t port = 0;
    std::string path;  // http
    Duration timeout{};
    bool keep_alive = true;
    std::optional<SpawnRequest> exec;  // exec: what to run
    // http: not 0 where others take connections from the same socket: an answer of another session than this
    // process leads is inconclusive.
    int answered_by = 0;
};

enum class PortState { Free, Taken };

// An intention that outlasts the supervisor: what the operator asked of one replica of an instance.
struct Intention {
    std::string instance;
    std::uint32_t replica = 0;
    Wanted wanted = Wanted::Running;

    bool operator==(const Intention&) const = default;
};

// One thing that happened, as `events` and `why` tell it.
struct Event {
    std::uint64_t number = 0;  // rises by one with each, over all supervisors of this state_dir
    WallTime at{};
    std::string name;  // of the replica or instance; "" for the supervisor itself
    std::string kind;  // state, decision, check, config, command, port, admin, supervisor
    std::string text;  // in words, one line

    bool operator==(const Event&) const = default;
};

// What the store keeps of a run, so that a later supervisor can find its process and go on with it.
struct RunRecord {
    RunNumber run = 0;
    std::string instance;
    std::uint32_t replica = 0;
    int pid = 0;
    std::uint16_t port = 0;
    WallTime started_at{};

    // What the process was started from (spec_fingerprint), and what has become of it: Kind::RunChanged.
    std::string fingerprint;
    RunRole role = RunRole::Current;
    std::uint64_t restarts = 0;
    std::uint32_t failures = 0;
    bool was_healthy = false;

    // Effects fills these in where they are empty: who starts a process knows them.
    std::string log_name;
    std::uint64_t start_ticks = 0;  // clock ticks since boot, proc_pid_stat(5) field 22; 0: not known
    std::string boot_id;            // /proc/sys/kernel/random/boot_id
    bool listening = false;         // it was given a listening socket for `port`
    std::string cgroup;             // its folder; "": it has none of its own

    bool operator==(const RunRecord&) const = default;
};

// A replica that is wanted and has no process: what the next supervisor is to know, so that it does not
// begin anew. Gone with its next start, with an orderly end of the supervisor, and with the machine's.
struct RestRecord {
    std::string instance;
    std::uint32_t replica = 0;
    Rest rest = Rest::Waiting;  // or AtRest
    Phase phase = Phase::Failed;
    std::string reason;
    WallTime next_start_at{};  // with Waiting
    std::uint32_t failures = 0;
    std::uint64_t restarts = 0;
    std::optional<int> exit_code;  // of its last run, where it has one
    std::string fingerprint;       // spec_fingerprint of what was configured then
    std::uint16_t port = 0;        // that it keeps
    bool listening = false;        // with a listening socket on it
    std::string boot_id;           // Effects fills it in

    bool operator==(const RestRecord&) const = default;
};

// What became of a run that an earlier supervisor left.
struct FoundRun {
    enum class State {
        Alive,    // it goes on, and can be adopted; or it ended this very moment, which is told once it is
        Ended,    // also where its number is a stranger's now
        Unclear,  // it may be alive, and cannot be reached: it is never signalled
    };
    State state = State::Ended;
    bool is_stored = true;  // else its tag alone told of it: instance and replica are not known, log_name is
    RunRecord record;
    Duration age{};                // Alive: since its start, by the kernel's clock
    ExitStatus status;             // Ended: Unknown where the kernel does not tell
    bool of_earlier_boot = false;  // Ended: with the machine
    std::string note;              // why it is Unclear, or known to have ended; "" usually
};

// One write to the store. Writes are kept in order.
struct StoreWrite {
    enum class Kind {
        SetIntention,    // intention
        ForgetInstance,  // intention.instance: its intentions, scale and runs go
        SetScale,        // intention.instance, number: replicas
        ClearScales,     //
        RunStarted,      // run
        RunChanged,      // run: role, restarts, failures and was_healthy, where it is stored; the rest stays
        RunEnded,        // run.run
        AppendEvent,     // event
        AppendMark,      // mark
        SetNextRun,      // number: no run below it may be given out again
        SetRest,         // rest; gone with RunStarted of the current run
        ClearRests,      //
        SetAdmin,        // admin: the admin service's state in force; null: there is none
    };
    Kind kind = Kind::AppendEvent;
    Intention intention;
    std::uint64_t number = 0;
    RunRecord run;
    Event event;
    Mark mark;
    std::shared_ptr<const RestRecord> rest;
    std::shared_ptr<const AdminSnapshot> admin;
};

// The supervisor's own process.
struct OwnFigures {
    Duration cpu{};  // user and system, in its whole life
    Duration uptime{};
    std::uint64_t resident_bytes = 0;
};

class Effects {
  public:
    Effects() = default;
    Effects(const Effects&) = delete;
    Effects& operator=(const Effects&) = delete;
    virtual ~Effects() = default;

    // Starts processes, several at a time where there are processors for it; their ends are reported by
    // Supervisor::exited. One outcome each, in their order.
    virtual std::vector<SpawnOutcome> spawn(const std::vector<SpawnRequest>& requests) = 0;
    // Goes on with a run that was found Alive as if it had been started here: before anything else is asked
    // of it, and after set_log_settings of its name. Error: nothing was changed.
    virtual Result<void> adopt(RunNumber run) = 0;
    // What a run that was found Ended left unread goes to its log.
    virtual void collect_logs(const std::string& log_name) = 0;
    // To the whole process group (and cgroup) of a live run. SIGKILL reaches every process of it.
    virtual void signal(RunNumber run, int signal_number) = 0;
    // The same to tell the run to end. From now on its end is the end of the last process of its group; what
    // is left of it after its time is over is told again, by SIGKILL.
    virtual void stop(RunNumber run, int signal_number) = 0;
    // The run's process has ended: whatever is left of its group, cgroup and orphans goes too.
    virtual void clean_up(RunNumber run) = 0;

    virtual void check(const CheckRequest& request) = 0;
    // Open connections and checks of this run are of no more use.
    virtual void forget_checks(RunNumber run) = 0;

    // The generation of the route table that every reader which follows it has fetched; max where nobody
    // follows. When it rises, and Supervisor::draining(), Supervisor::routes_read is called.
    virtual std::uint64_t routes_seen() = 0;

    // Is nobody listening there, on any address family?
    virtual PortState port_state(std::uint16_t port) = 0;
    // "pid 4242 (nginx)", or "" where that cannot be told. Slow: for messages alone.
    virtual std::string port_holder(std::uint16_t port) = 0;
    // The listening socket that socket_activation keeps is no longer wanted.
    virtual void close_listener(std::uint16_t port) = 0;
    // A socket that an earlier supervisor kept while nothing ran is there from now on, as it was.
    virtual void keep_listener(std::uint16_t port) = 0;

    virtual void set_log_settings(const std::string& log_name, const LogSettings& settings) = 0;
    // No further run of this name will come: reader and FIFOs go, log files stay.
    virtual void close_logs(const std::string& log_name) = 0;

    // What the calls after it need. Another one than before ends those that are under way.
    virtual void set_admin(const AdminAccess& access) = 0;
    // To be answered by Supervisor::admin_replied, exactly once unless it is dropped, and not before this
    // returns. One of each kind at a time.
    virtual void call_admin(const AdminCall& call) = 0;
    virtual void drop_admin_calls() = 0;

    // Call Supervisor::woke then. One wish at a time; a new one replaces it; max() is never.
    virtual void wake_at(TimePoint when) = 0;
    // The generation passed this number: parked requests are to be looked at again, once this turn is over.
    virtual void publish(std::uint64_t generation) = 0;
    virtual void store(StoreWrite write) = 0;
    // The command that is being carried out is answered when all that was stored so far is on the disk, as an
    // intention is before its command is answered. Returns at once.
    virtual void answer_when_stored() = 0;

    // Commands ask these; the Supervisor does not.
    virtual Result<Config> load_config() = 0;  // Invalid: all problems, one a line
    // `names`: as shown → log name. Nothing to tell after the cursor: no lines.
    virtual Result<LogsReply> read_logs(const LogsRequest& request,
                                        const std::vector<std::pair<std::string, std::string>>& names) = 0;
    virtual std::string log_path(const std::string& log_name) = 0;
    // The log names under which something is kept for this instance or replica, configured or not. With a
    // cursor only those that it has.
    virtual std::vector<std::string> kept_logs(const std::string& name, const std::string& cursor) = 0;
    // The last `limit` stored events of this name, oldest first.
    virtual std::vector<Event> history(const std::string& name, std::size_t limit) = 0;
    // The stored marks in the order in which they were made, also those of this moment: from `since` on, and
    // before that the last one of each name that says what has lasted since.
    virtual Result<std::vector<Mark>> marks(WallTime since) = 0;
    virtual OwnFigures own_figures() = 0;
    // What a cgroup keeps for runs that ask for it, here; the same for the supervisor's whole life.
    virtual const GroupLimits& group_limits() = 0;

    // A fresh reading, for telling how long something took; decisions are made by the turn's.
    virtual TimePoint clock() = 0;
    // In [0, 1): jitter and spreading.
    virtual double random() = 0;
    // The last instance has stopped after `down`: end the loop.
    virtual void finished() = 0;
};

}  // namespace pmctl
