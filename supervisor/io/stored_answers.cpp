#include "supervisor/io/stored_answers.hpp"

#include <boost/asio/io_context.hpp>
#include <utility>

namespace pmctl {

StoredAnswers::StoredAnswers(Loop& loop, StateStore& store, Released released, Duration patience)
    : loop_(loop), store_(store), told_(std::move(released)), patience_(patience), due_(loop.context()) {}

void StoredAnswers::set_due() {
    due_.expires_after(patience_);
    due_.async_wait([this](const boost::system::error_code& error) {
        // One that was on its way when the time was set anew is none.
        const bool is_due = !error && due_.expiry() <= std::chrono::steady_clock::now();
        if (is_due) release(asked_, "the disk takes longer than " + format_duration(patience_));
    });
}

void StoredAnswers::ask() {
    const std::uint64_t number = ++asked_;
    const bool waits = store_.tell_when_stored([this, number](Result<void> outcome) {
        loop_.from_any_thread([this, number, outcome = std::move(outcome)] { stored(number, outcome); });
    });
    if (!waits) {
        // Nothing is queued, so none that was asked for earlier waits either, whatever its message's way.
        release(number, "");
    } else if (released_ + 1 == number) {
        set_due();
    }
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
    if (released_ == asked_) {
        due_.cancel();
    } else {
        set_due();
    }
    told_(number, trouble);
}

}  // namespace pmctl
