#include "supervisor/io/deadlines.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace pmctl {

namespace {

constexpr Duration slot = std::chrono::milliseconds(20);

TimePoint slot_end(TimePoint when) {
    const Duration rest = when.time_since_epoch() % slot;
    return rest == Duration::zero() ? when : when + (slot - rest);
}

}  // namespace

Deadlines::Deadlines(Loop& loop, std::function<void(std::uint64_t)> on_met)
    : on_met_(std::move(on_met)), timer_(loop, [this] { meet(); }) {}

void Deadlines::set(Deadline& deadline, TimePoint when) {
    take_out(deadline);
    deadline.when_ = when;
    heap_.push_back(&deadline);
    put(heap_.size() - 1, &deadline);
    rise(deadline.place_);
    arm();
}

void Deadlines::clear(Deadline& deadline) {
    take_out(deadline);
    if (heap_.empty()) arm();
}

void Deadlines::put(std::size_t place, Deadline* deadline) {
    heap_[place] = deadline;
    deadline->place_ = place;
}

void Deadlines::rise(std::size_t place) {
    Deadline* const moved = heap_[place];
    for (; place > 0 && moved->when_ < heap_[(place - 1) / 2]->when_; place = (place - 1) / 2)
        put(place, heap_[(place - 1) / 2]);
    put(place, moved);
}

void Deadlines::sink(std::size_t place) {
    Deadline* const moved = heap_[place];
    while (true) {
        std::size_t child = 2 * place + 1;
        if (child >= heap_.size()) break;
        if (child + 1 < heap_.size() && heap_[child + 1]->when_ < heap_[child]->when_) ++child;
        if (heap_[child]->when_ >= moved->when_) break;
        put(place, heap_[child]);
        place = child;
    }
    put(place, moved);
}

void Deadlines::take_out(Deadline& deadline) {
    const std::size_t place = std::exchange(deadline.place_, Deadline::not_set);
    if (place == Deadline::not_set) return;
    Deadline* const last = heap_.back();
    heap_.pop_back();
    if (last == &deadline) return;
    put(place, last);
    rise(place);
    sink(last->place_);
}

// A wish for a moment too early is left as it is while any are set: to be woken for nothing once in a while
// costs less than to set the timer with each that is cleared.
void Deadlines::arm() {
    if (heap_.empty()) {
        timer_.clear();
        armed_ = TimePoint::max();
        return;
    }
    const TimePoint when = slot_end(heap_.front()->when_);
    if (when >= armed_) return;
    timer_.set(when);
    armed_ = when;
}

void Deadlines::meet() {
    armed_ = TimePoint::max();
    // Also when a callback throws: what is set may not be left without a timer.
    const auto rearm = [](Deadlines* deadlines) { deadlines->arm(); };
    const std::unique_ptr<Deadlines, decltype(rearm)> at_end(this, rearm);
    const TimePoint now = Loop::now().steady;
    while (!heap_.empty() && heap_.front()->when_ <= now) {
        Deadline& met = *heap_.front();
        take_out(met);
        on_met_(met.number_);
    }
}

}  // namespace pmctl
