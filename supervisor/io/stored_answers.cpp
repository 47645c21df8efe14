#include "supervisor/io/stored_answers.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace pmctl {

struct StoredAnswers::Due {
    explicit Due(Loop& loop) : timer(loop.context()) {}

    boost::asio::steady_timer timer;
};

StoredAnswers::StoredAnswers(Loop& loop, StateStore& store, Released released, Duration patience)
    : loop_(loop),
      store_(store),
      told_(std::move(released)),
      patience_(patience),
      due_(std::make_unique<Due>(loop)) {}

StoredAnswers::~StoredAnswers() = default;

void StoredAnswers::set_due() {
    if (waiting_.empty()) {
        due_->timer.cancel();
        return;
    }
    due_->timer.expires_at(waiting_.front().due);
    due_->timer.async_wait([this](const boost::system::error_code& error) {
        if (!error) time_is_up();
    });
}

// It may have been on its way when the time was set anew: then none is due.
void StoredAnswers::time_is_up() {
    const TimePoint now = Loop::now().steady;
    std::uint64_t last = released_;
    for (const Waiting& each : waiting_) {
        if (each.due > now) break;
        last = each.number;
    }
    release(last, "the disk takes longer than " + format_duration(patience_));
}

void StoredAnswers::ask() {
    const std::uint64_t number = ++asked_;
    const bool waits = store_.tell_when_stored([this, number](Result<void> outcome) {
        loop_.from_any_thread([this, number, outcome = std::move(outcome)] { stored(number, outcome); });
    });
    if (!waits) {
        // Nothing is queued, so none that was asked for earlier waits either, whatever its message's way.
        release(number, "");
        return;
    }
    waiting_.push_back({number, Loop::now().steady + patience_});
    if (waiting_.size() == 1) set_due();
}

void StoredAnswers::stored(std::uint64_t number, const Result<void>& outcome) {
    release(number, outcome ? "" : outcome.error().message);
}

void StoredAnswers::settle() {
    if (released_ == asked_) return;
    const auto stored_now = store_.flush(patience_);
    stored(asked_, stored_now);
}

void StoredAnswers::release(std::uint64_t number, const std::string& trouble) {
    if (number <= released_) return;
    released_ = number;
    while (!waiting_.empty() && waiting_.front().number <= number) waiting_.pop_front();
    set_due();
    told_(number, trouble);
}

}  // namespace pmctl
