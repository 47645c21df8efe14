// The commands of pmctl, each: ask, show, exit status. An Error is printed by main and becomes its status.
#pragma once

#include "cli/session.hpp"

namespace pmctl {

// commands_act.cpp: what changes something
Result<int> run_action(Session& session);  // start, stop, restart
Result<int> run_scale(Session& session);
Result<int> run_signal(Session& session);
Result<int> run_reset(Session& session);
Result<int> run_reload(Session& session);  // and plan
Result<int> run_wait(Session& session);
Result<int> run_down(Session& session);
Result<int> run_upgrade(Session& session);  // commands_upgrade.cpp

// commands_show.cpp, commands_status.cpp, commands_logs.cpp: what only looks
Result<int> run_status(Session& session);
Result<int> run_why(Session& session);
Result<int> run_ports(Session& session);
Result<int> run_admin(Session& session);
Result<int> run_routes(Session& session);
Result<int> run_report(Session& session);
Result<int> run_config(Session& session);
Result<int> run_logs(Session& session);
Result<int> run_events(Session& session);

// without a supervisor
Result<int> run_validate(Session& session);
Result<int> run_init(Session& session);
Result<int> run_completion(Session& session);

}  // namespace pmctl
