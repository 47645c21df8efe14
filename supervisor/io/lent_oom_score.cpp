#include "supervisor/io/lent_oom_score.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <iterator>
#include <utility>

namespace pmctl {

std::shared_ptr<LentOomScore> LentOomScore::make(int children) {
    Descriptor file(::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
    if (file.get() < 0) return nullptr;
    std::array<char, 16> text{};
    const ssize_t length = ::pread(file.get(), text.data(), text.size(), 0);
    int own = 0;
    if (length <= 0 || std::from_chars(text.data(), text.data() + length, own).ec != std::errc{})
        return nullptr;
    if (own < 0) return nullptr;
    std::shared_ptr<LentOomScore> lent(new LentOomScore(std::move(file), own, children));
    if (!lent->set(children) || !lent->set(own)) return nullptr;
    return lent;
}

LentOomScore::LentOomScore(Descriptor file, int own, int children)
    : file_(std::move(file)), own_(own), children_(children) {}

bool LentOomScore::set(int score) const {
    fmt::memory_buffer text;
    fmt::format_to(std::back_inserter(text), "{}", score);
    return ::pwrite(file_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

LentOomScore::Loan::Loan(LentOomScore* from) : from_(from) {
    if (from_ == nullptr) return;
    const std::lock_guard lock(from_->mutex_);
    if (from_->loans_++ == 0) from_->set(from_->children_);
}

LentOomScore::Loan::~Loan() {
    if (from_ == nullptr) return;
    const std::lock_guard lock(from_->mutex_);
    if (--from_->loans_ == 0) from_->set(from_->own_);
}

}  // namespace pmctl
