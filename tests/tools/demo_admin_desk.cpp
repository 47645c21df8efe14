#include "tests/tools/demo_admin_desk.hpp"

#include <algorithm>
#include <iostream>
#include <utility>
#include <vector>

namespace pmctl {

void say(std::string line) {
    constexpr std::size_t longest = 500;
    line.resize(std::min(line.size(), longest));
    std::replace_if(line.begin(), line.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    std::cout << line << '\n' << std::flush;
}

DemoDesk::DemoDesk(boost::asio::io_context& context, DemoService& service, Duration hold)
    : context_(context), service_(service), hold_(hold) {}

DemoDesk::Number DemoDesk::ask(DemoQuestion question, Send send) {
    const Number number = ++last_;
    Waiting& waiting = waiting_
                           .try_emplace(number, Waiting{std::move(question), std::move(send),
                                                        boost::asio::steady_timer(context_), std::nullopt})
                           .first->second;
    auto reply = service_.answer(waiting.question);
    if (!reply && stopping_) reply = service_.hold_over();
    if (reply) {
        settle(number, std::move(*reply));
    } else {
        say("held " + waiting.question.target);
        start_timer(number, waiting, hold_);
    }
    return waiting_.contains(number) ? number : 0;
}

void DemoDesk::forget(Number number) {
    waiting_.erase(number);
}

void DemoDesk::store_changed() {
    std::vector<std::pair<Number, DemoReply>> ready;
    for (const auto& [number, waiting] : waiting_) {
        if (waiting.reply) continue;
        if (auto reply = service_.answer(waiting.question)) ready.emplace_back(number, std::move(*reply));
    }
    for (auto& [number, reply] : ready) settle(number, std::move(reply));
}

void DemoDesk::stop() {
    stopping_ = true;
    std::vector<std::pair<Number, DemoReply>> ready;
    for (const auto& [number, waiting] : waiting_)
        ready.emplace_back(number, waiting.reply ? *waiting.reply : service_.hold_over());
    for (const auto& [number, reply] : ready) finish(number, reply);
}

void DemoDesk::start_timer(Number number, Waiting& waiting, Duration wait) {
    waiting.timer.expires_after(std::chrono::duration_cast<boost::asio::steady_timer::duration>(wait));
    waiting.timer.async_wait([this, number](const boost::system::error_code& error) {
        if (!error) time_is_over(number);
    });
}

void DemoDesk::time_is_over(Number number) {
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) return;
    if (found->second.reply)
        finish(number, DemoReply(*found->second.reply));
    else
        settle(number, service_.hold_over());
}

void DemoDesk::settle(Number number, DemoReply reply) {
    const auto found = waiting_.find(number);
    if (found == waiting_.end()) return;
    if (reply.delay == Duration::zero() || stopping_) return finish(number, reply);
    const Duration delay = reply.delay;
    found->second.reply = std::move(reply);
    start_timer(number, found->second, delay);
}

void DemoDesk::finish(Number number, const DemoReply& reply) {
    const auto node = waiting_.extract(number);
    if (node.empty()) return;
    const DemoQuestion& question = node.mapped().question;
    say(question.method + ' ' + question.target + ' ' + std::to_string(reply.status));
    node.mapped().send(reply);
}

}  // namespace pmctl
