// Request → Reply, one function a command; every door calls run. Who may ask is the
// door's.
#pragma once

#include <optional>
#include <string>

#include "shared/protocol.hpp"
#include "supervisor/effects.hpp"
#include "supervisor/supervisor.hpp"

namespace pmctl {

class Commands {
  public:
    Commands(Supervisor& supervisor, Effects& effects, std::string version, int pid,
             WallTime started_at = {});

    // Nothing: there is nothing to say yet and `may_park`; ask again when the generation has changed, an
    // event came or a log was written, and with `may_park` = false when the request's time is up.
    std::optional<Result<Reply>> run(const Request& request, bool may_park, Now now);
    // Also SIGHUP's.
    Result<ReloadReply> reload(const ReloadRequest& request, Now now);

  private:
    using Answer = std::optional<Result<Reply>>;

    Answer on(const HelloRequest&, bool, Now);
    Answer on(const StatusRequest& request, bool may_park, Now now);
    Answer on(const DescribeRequest& request, bool, Now now);
    Answer on(const StartRequest& request, bool, Now now);
    Answer on(const StopRequest& request, bool, Now now);
    Answer on(const RestartRequest& request, bool, Now now);
    Answer on(const ReloadRequest& request, bool, Now now);
    Answer on(const LogsRequest& request, bool may_park, Now);
    Answer on(const EventsRequest& request, bool may_park, Now);
    Answer on(const WhyRequest& request, bool, Now now);
    Answer on(const ConfigRequest& request, bool, Now);
    Answer on(const PortsRequest&, bool, Now);
    Answer on(const ScaleRequest& request, bool, Now now);
    Answer on(const SignalRequest& request, bool, Now now);
    Answer on(const ResetRequest& request, bool, Now now);
    Answer on(const DownRequest& request, bool, Now now);
    Answer on(const AdminRequest&, bool, Now now);
    Answer on(const RoutesRequest& request, bool may_park, Now);
    Answer on(const ReportRequest& request, bool, Now now);  // commands_report.cpp
    Answer on(const UpgradeRequest&, bool, Now);

    // Which replicas a command is for. Of a group, a glob or --all the others are left out; one that is named
    // by itself stays, for the command to say why it cannot be done (Enabled: that is said here).
    enum class Meant { All, Enabled, Live };
    // The targets of a command that changes something; refused while the supervisor stops.
    Result<std::vector<Member*>> concerned(const Targets& targets, Meant meant) const;
    Result<Member*> one(const std::string& name) const;
    DescribeReply describe(const Member& member, Now now) const;
    // What is there of them now: a target that is gone is no error for one who follows.
    std::vector<Member*> still_there(const Targets& targets) const;
    // As shown → log name; also of instances that are no longer configured, as long as their logs are there.
    Result<std::vector<std::pair<std::string, std::string>>> log_names(const LogsRequest& request) const;
    Result<std::vector<Member*>> needed_by(const std::vector<Member*>& members) const;
    ActionReply action_reply(const std::vector<Member*>& members) const;
    ActionReply done(ActionReply reply, const std::vector<Member*>& members);

    Supervisor& supervisor_;
    Effects& effects_;
    std::string version_;
    int pid_;
    WallTime started_at_;
};

}  // namespace pmctl
