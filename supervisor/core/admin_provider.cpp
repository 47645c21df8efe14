#include "supervisor/core/admin_provider.hpp"

#include <algorithm>
#include <utility>

#include "supervisor/core/admin_take.hpp"
#include "supervisor/core/backoff.hpp"

namespace pmctl {

namespace {

using namespace std::chrono_literals;

constexpr Duration fetch_timeout = 10s;
constexpr Duration poll_margin = 5s;      // beyond long_poll, for the way there and back
constexpr Duration overdue_margin = 10s;  // a call's own time-out comes first
constexpr Duration refused_pause = 30s;   // and up to as much again
constexpr Duration poll_again = 10min;    // after a 404
constexpr Duration quiet = 20ms;          // the end of a burst
constexpr Duration longest_gather = 1s;
constexpr Duration burst_gap = 20ms;    // two events nearer than this are a burst
constexpr Duration burst_pause = 10ms;  // between polls then
constexpr Duration held_answer = 1s;    // a poll that took this long was held
constexpr Duration setback_memory = 1min;
constexpr Duration hold_back = 1s;  // a repetition of a mass removal counts after this
constexpr Duration store_event_after = 1s;
constexpr Duration store_time_after = 10min;  // when it was fetched alone: the whole state is written
constexpr std::uint32_t free_tries = 3;       // before what tells nothing new is paced
constexpr std::uint32_t poll_failures_told = 3;

// The n-th delay of a backoff from 1 s to 30 s.
Duration pause_after(std::uint32_t n, double chance) {
    RestartSettings settings;
    settings.backoff_initial = 1s;
    settings.backoff_max = 30s;
    settings.circuit_failures = 0;
    return next_start_delay(n, false, chance, settings);
}

std::string count_of(std::size_t number) {
    return std::to_string(number) + (number == 1 ? " instance" : " instances");
}

class Step {
  public:
    Step(AdminProvider& provider, Now now, double chance, const AdminSettings& settings)
        : p_(provider), now_(now), chance_(chance), settings_(settings) {}

    void on(const AdminReach& reach) {
        if (reach.url == p_.url && !reach.anew) return;
        actions_.drop = p_.fetch.call != 0 || p_.poll.call != 0;
        if (!reach.same_service) {
            p_.in_force.event = 0;
            p_.in_force.etag.clear();
        }
        p_.url = reach.url;
        const TimePoint due = p_.url.empty() ? TimePoint::max() : now_.steady;
        for (AdminLine* line : {&p_.fetch, &p_.poll}) {
            line->call = 0;
            line->failures = 0;
            line->overdue = TimePoint::max();
            line->due = due;
        }
        p_.unserved = TimePoint::max();
        p_.serving = TimePoint::max();
        p_.gather = TimePoint::max();
        p_.full = true;
        p_.has_poll = true;
        p_.quick = 0;
        p_.setbacks = 0;
        p_.poll_trouble.reset();
        p_.held.clear();
    }

    void on(AdminReplied& reply) {
        const bool of_fetch = reply.number == p_.fetch.call;
        if (reply.number == 0 || (!of_fetch && reply.number != p_.poll.call)) return;  // of an earlier time
        AdminLine& line = of_fetch ? p_.fetch : p_.poll;
        line.call = 0;
        line.overdue = TimePoint::max();
        of_fetch ? fetched(reply.result) : polled(reply.result);
    }

    // A call has an end whatever becomes of it.
    void on(const AdminWoke&) {
        const bool fetch_lost = p_.fetch.call != 0 && p_.fetch.overdue <= now_.steady;
        const bool poll_lost = p_.poll.call != 0 && p_.poll.overdue <= now_.steady;
        if (!fetch_lost && !poll_lost) return;
        actions_.drop = true;  // the other one as well, which is then made again
        if (std::exchange(p_.fetch.call, 0) != 0 && !fetch_lost) p_.fetch.due = now_.steady;
        if (std::exchange(p_.poll.call, 0) != 0 && !poll_lost) p_.poll.due = now_.steady;
        p_.unserved = std::min(p_.unserved, std::exchange(p_.serving, TimePoint::max()));
        p_.fetch.overdue = TimePoint::max();
        p_.poll.overdue = TimePoint::max();
        if (fetch_lost) fetch_failed("no answer", false);
        if (poll_lost) poll_failed("no answer", false);
    }

    AdminActions finish() {
        begin_due_calls();
        if (p_.store_at <= now_.steady) {
            p_.store_at = TimePoint::max();
            actions_.store = true;
        }
        return std::move(actions_);
    }

  private:
    void tell(std::string text, bool bad = false) { actions_.news.push_back({std::move(text), bad}); }

    void store_within(Duration span) { p_.store_at = std::min(p_.store_at, now_.steady + span); }

    // While fetches fail their backoff decides; the next that succeeds serves every wish.
    void want_fetch(TimePoint when) {
        if (p_.fetch.failures == 0) p_.fetch.due = std::min(p_.fetch.due, when);
    }

    void begin_due_calls() {
        if (p_.url.empty()) return;
        if (p_.poll.call == 0 && p_.poll.due <= now_.steady) {
            AdminCall& call = begin(p_.poll, AdminCall::Kind::Poll, settings_.long_poll + poll_margin);
            call.event = p_.in_force.event + 1;
        }
        const TimePoint gather = p_.fetch.failures == 0 ? p_.gather : TimePoint::max();
        if (p_.fetch.call == 0 && std::min(p_.fetch.due, gather) <= now_.steady) {
            AdminCall& call = begin(p_.fetch, AdminCall::Kind::Fetch, fetch_timeout);
            if (!p_.full) call.etag = p_.in_force.etag;
            p_.full_under_way = call.etag.empty();
            p_.full = false;
            p_.gather = TimePoint::max();
            p_.serving = std::exchange(p_.unserved, TimePoint::max());
        }
    }

    AdminCall& begin(AdminLine& line, AdminCall::Kind kind, Duration timeout) {
        line.call = ++p_.last_call;
        line.begun = now_.steady;
        line.overdue = now_.steady + timeout + overdue_margin;
        line.due = TimePoint::max();
        AdminCall call;
        call.kind = kind;
        call.number = line.call;
        call.url = p_.url;
        call.timeout = timeout;
        return actions_.calls.emplace_back(std::move(call));
    }

    Duration retry_delay(std::uint32_t failures, bool refused) const {
        if (!refused) return pause_after(failures, chance_);
        return refused_pause + Duration(static_cast<Duration::rep>(
                                   static_cast<double>(Duration(refused_pause).count()) * chance_));
    }

    static void note_failure(std::optional<AdminTrouble>& trouble, Now now, const std::string& why,
                             bool refused) {
        if (!trouble) trouble = AdminTrouble{now.steady, now.wall, "", false, 0};
        trouble->why = why;
        trouble->refused = refused;
        ++trouble->failures;
    }

    // -- fetches

    void fetched(AdminResult& result) {
        switch (result.kind) {
            case AdminResult::Kind::Answer:
                fetch_succeeded();
                return take(std::move(result.answer), std::move(result.etag));
            case AdminResult::Kind::NotModified:
                if (p_.full_under_way)
                    return fetch_failed("HTTP 304, and nothing was said of what is known", false);
                return fetch_succeeded();
            case AdminResult::Kind::NotFound:
                return fetch_failed("HTTP 404: it knows no /api/applications", false);
            case AdminResult::Kind::Refused: return fetch_failed(result.error, true);
            case AdminResult::Kind::Event: return fetch_failed("the answer is one to a poll", false);
            case AdminResult::Kind::Failed: return fetch_failed(result.error, false);
        }
    }

    void fetch_succeeded() {
        p_.fetch.failures = 0;
        p_.cause = p_.serving != TimePoint::max() ? p_.serving : p_.fetch.begun;
        p_.serving = TimePoint::max();
        p_.succeeded_at = now_.wall;
        p_.in_force.fetched_at = now_.wall;
        store_within(store_time_after);
        if (p_.trouble) {
            tell("admin service answers again after " + describe_duration(now_.steady - p_.trouble->begun));
            p_.trouble.reset();
            // It may have come back as another one, and with a poll.
            if (p_.poll.call == 0) p_.poll.due = now_.steady;
        }
        if (by_interval(p_)) want_fetch(now_.steady + settings_.poll_interval);
    }

    void fetch_failed(const std::string& why, bool refused) {
        ++p_.fetch.failures;
        p_.fetch.due = now_.steady + retry_delay(p_.fetch.failures, refused);
        p_.unserved = std::min(p_.unserved, std::exchange(p_.serving, TimePoint::max()));
        if (p_.full_under_way) p_.full = true;
        const bool refused_already = p_.trouble && p_.trouble->refused;
        if (refused && !refused_already) {
            tell("admin service refuses the secret (" + why +
                     "): the last good state stays in force, and it is asked again every 30 to 60 s",
                 true);
        } else if (!refused && !p_.trouble) {
            tell("admin service unreachable (" + why + "): the last good state stays in force", true);
        }
        note_failure(p_.trouble, now_, why, refused);
    }

    void take(AdminAnswer answer, std::string etag) {
        TakeRules rules{p_.in_force.event, settings_.mass_removal == MassRemoval::Confirm, p_.held,
                        p_.full_under_way && p_.held_since + hold_back <= now_.steady};
        const std::size_t before = p_.in_force.entries.size();
        TakenAnswer taken = take_answer(p_.in_force.entries, std::move(answer.entries), rules);
        tell_held(taken, before);
        if (taken.held != p_.held) p_.held_since = now_.steady;
        p_.held = std::move(taken.held);
        if (!p_.held.empty()) {
            p_.full = true;
            etag.clear();  // of a state that is not in force
            want_fetch(std::max(p_.held_since + hold_back, now_.steady + quiet));
        }
        if (taken.changed || etag != p_.in_force.etag) store_within(0s);
        p_.in_force.etag = std::move(etag);
        if (taken.changed) p_.in_force.entries = std::move(taken.entries);
        actions_.apply = taken.changed;
        actions_.omissions = answer.left_out != p_.left_out;
        p_.left_out = std::move(answer.left_out);
    }

    void tell_held(const TakenAnswer& taken, std::size_t before) {
        if (taken.held == p_.held) return;
        if (!taken.held.empty()) {
            tell("admin service removes " + std::to_string(taken.held.size()) + " of " + count_of(before) +
                     " at once: they stay until it says so again (admin.mass_removal)",
                 true);
        } else {
            tell("what the admin service removes is held back no longer: " +
                 (taken.removed == 0 ? "they are there again" : count_of(taken.removed) + " removed"));
        }
    }

    // -- polls

    void polled(const AdminResult& result) {
        switch (result.kind) {
            case AdminResult::Kind::Event:
                poll_answered();
                if (result.event > p_.in_force.event) return advanced(result.event);
                if (result.event < p_.in_force.event) return set_back(result.event);
                return nothing_new();
            case AdminResult::Kind::NotModified: poll_answered(); return nothing_new();
            case AdminResult::Kind::NotFound: return no_poll();
            case AdminResult::Kind::Refused: return poll_failed(result.error, true);
            case AdminResult::Kind::Answer: return poll_failed("the answer is one to a fetch", false);
            case AdminResult::Kind::Failed: return poll_failed(result.error, false);
        }
    }

    void poll_answered() {
        if (!p_.has_poll) tell("admin service has a poll now: no longer fetched at an interval");
        if (p_.poll_trouble) tell("admin service answers polls again");
        p_.has_poll = true;
        poll_recovered();
    }

    void poll_recovered() {
        p_.poll_trouble.reset();
        p_.succeeded_at = now_.wall;
        if (std::exchange(p_.poll.failures, 0) > 0 && p_.fetch.call == 0) p_.fetch.due = now_.steady;
    }

    // A fetch for what an event announced: at once after rest, gathered in a burst. True: it is one.
    bool heard_of_event() {
        const bool burst = p_.last_event > now_.steady - burst_gap;
        p_.last_event = now_.steady;
        p_.unserved = std::min(p_.unserved, now_.steady);
        const bool at_once = !burst && p_.gather == TimePoint::max();
        p_.gather = at_once ? now_.steady : std::min(now_.steady + quiet, p_.unserved + longest_gather);
        store_within(store_event_after);
        return burst;
    }

    void advanced(std::uint64_t event) {
        p_.quick = 0;
        p_.in_force.event = event;
        p_.poll.due = now_.steady;
        if (heard_of_event()) p_.poll.due += burst_pause;
    }

    void set_back(std::uint64_t event) {
        if (p_.last_setback < now_.steady - setback_memory) p_.setbacks = 0;
        p_.last_setback = now_.steady;
        ++p_.setbacks;
        const std::string back = "admin service's events went back from " +
                                 std::to_string(p_.in_force.event) + " to " + std::to_string(event);
        if (p_.setbacks < free_tries) {
            tell(back + ": its store was reset, everything is fetched anew");
        } else if (p_.setbacks == free_tries) {
            tell(back + ", again and again: asked more slowly, and told no more", true);
        }
        p_.in_force.event = event;
        p_.full = true;
        p_.poll.due = now_.steady;
        if (p_.setbacks >= free_tries) p_.poll.due += pause_after(p_.setbacks - free_tries + 1, chance_);
        heard_of_event();
    }

    // A service that holds no polls is asked as often as one that has none.
    void nothing_new() {
        p_.quick = p_.poll.begun + held_answer > now_.steady ? p_.quick + 1 : 0;
        p_.poll.due = now_.steady;
        if (p_.quick > free_tries) {
            p_.poll.due += std::min(pause_after(p_.quick - free_tries, chance_),
                                    std::max<Duration>(settings_.poll_interval, 1s));
        }
        want_fetch(now_.steady);
    }

    void no_poll() {
        if (p_.has_poll) {
            tell("admin service has no poll (HTTP 404): fetched every " +
                 format_duration(settings_.poll_interval));
        }
        p_.has_poll = false;
        poll_recovered();
        p_.poll.due = now_.steady + poll_again;
        want_fetch(now_.steady + settings_.poll_interval);
    }

    void poll_failed(const std::string& why, bool refused) {
        ++p_.poll.failures;
        p_.poll.due = now_.steady + retry_delay(p_.poll.failures, refused);
        want_fetch(now_.steady);  // tells whether the service is there at all
        const bool lasting = p_.poll.failures >= (refused ? 2 : poll_failures_told);
        if (p_.poll_trouble || (lasting && !p_.trouble)) {
            if (!p_.poll_trouble)
                tell("admin service fails polls (" + why + "): fetched every " +
                         format_duration(settings_.poll_interval) + " meanwhile",
                     true);
            note_failure(p_.poll_trouble, now_, why, refused);
        }
    }

    AdminProvider& p_;
    Now now_;
    double chance_;
    const AdminSettings& settings_;
    AdminActions actions_;
};

}  // namespace

AdminActions step(AdminProvider& provider, ProviderEvent event, Now now, double chance,
                  const AdminSettings& settings) {
    Step step(provider, now, chance, settings);
    std::visit([&step](auto& each) { step.on(each); }, event);
    return step.finish();
}

TimePoint next_deadline(const AdminProvider& provider) {
    TimePoint next = provider.store_at;
    if (provider.url.empty()) return next;
    const AdminLine& fetch = provider.fetch;
    const TimePoint gather = fetch.failures == 0 ? provider.gather : TimePoint::max();
    next = std::min(next, fetch.call != 0 ? fetch.overdue : std::min(fetch.due, gather));
    return std::min(next, provider.poll.call != 0 ? provider.poll.overdue : provider.poll.due);
}

void mark_applied(AdminProvider& provider, TimePoint when) {
    provider.latencies.add(when - provider.cause);
}

bool by_interval(const AdminProvider& provider) {
    return !provider.has_poll || provider.poll.failures >= poll_failures_told;
}

}  // namespace pmctl
