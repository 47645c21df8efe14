// What the steps of a replica's life (replica.cpp) and those that an order or another specification leads to
// (replica_orders.cpp) or an update leads to (rolling.cpp) have in common. For these alone.
#pragma once

#include <concepts>
#include <string>

#include "supervisor/core/replica.hpp"

namespace pmctl::orders {

inline const Policy& policy_of(const Replica& replica) {
    return replica.spec->policy;
}

// No run is live, and this is what it waits for, if for anything.
void rest(Replica& replica, Rest kind, Phase phase, std::string reason);
// Due now: the Supervisor is asked to start it, and answers.
Actions start_now(Replica& replica);
// Until a start is tried again that failed for no fault of its own.
Duration next_try_delay(Replica& replica, StartFault fault, double random);

Actions obey(Replica& replica, const StartOrder& order, Now now);
Actions obey(Replica& replica, const StopReplica& order, Now now);
Actions obey(Replica& replica, const RestartOrder& order, Now now);
Actions obey(Replica& replica, const NewSpec& change, Now now);
Actions obey(Replica& replica, const ResetOrder& order, Now now);
Actions obey(Replica& replica, const Adopted& found, Now now);
Actions obey(Replica& replica, const Rested& found, Now now);

template <class Event>
concept IsOrder =
    std::same_as<Event, StartOrder> || std::same_as<Event, StopReplica> ||
    std::same_as<Event, RestartOrder> || std::same_as<Event, NewSpec> || std::same_as<Event, ResetOrder> ||
    std::same_as<Event, Adopted> || std::same_as<Event, Rested>;

}  // namespace pmctl::orders
