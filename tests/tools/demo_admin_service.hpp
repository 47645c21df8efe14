// What the demo admin service answers: from a question's headers and the store to a reply. When a held poll
// is asked again, and how HTTP is spoken, is demo_admin_desk's and demo_admin_session's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shared/result.hpp"
#include "shared/time.hpp"
#include "tests/tools/demo_admin_faults.hpp"
#include "tests/tools/demo_admin_store.hpp"

namespace pmctl {

struct DemoQuestion {
    std::string method;
    std::string target;           // "/api/poll?e=7"
    std::string authorization;    // headers, "" where they are missing
    std::string internal_secret;  //
    std::string if_none_match;    //
};

struct DemoReply {
    unsigned status = 200;
    std::string body;
    std::string type = "text/plain; charset=utf-8";
    std::string etag;      // "": no such header
    std::string location;  //
    bool stray = false;    // 304: the body is sent all the same
    bool cut = false;      // half the body, and then the end of the connection
    Duration delay{};      // to be sent this much later
};

struct DemoRules {
    std::optional<std::string> secret;  // none: everybody may ask
    bool with_poll = true;
    bool with_etag = false;
};

class DemoService {
  public:
    DemoService(DemoRules rules, DemoStore store) : rules_(std::move(rules)), store_(std::move(store)) {}

    // Reads event and faults anew. Error: the store's, which every question is answered with until it is
    // well.
    Result<void> refresh();
    [[nodiscard]] std::uint64_t newest_event() const { return newest_event_; }
    [[nodiscard]] const std::string& faults() const { return fault_list_; }

    // Null: there is no such event yet; to be asked again after a refresh.
    std::optional<DemoReply> answer(const DemoQuestion& question);
    // To a poll whose time is over.
    [[nodiscard]] DemoReply hold_over() const;

  private:
    [[nodiscard]] bool is_allowed(const DemoQuestion& question) const;
    [[nodiscard]] DemoReply plain(unsigned status, std::string text) const;
    [[nodiscard]] std::optional<DemoReply> fault() const;
    DemoReply applications(const DemoQuestion& question);
    std::optional<DemoReply> poll(std::string_view query) const;

    DemoRules rules_;
    DemoStore store_;
    std::uint64_t newest_event_ = 0;
    std::string fault_list_;
    DemoFaults faults_;
    std::optional<Error> trouble_;
};

// {"applications":[...]}, a line a supervisor reads: the wire protocol of the admin service.
std::string applications_json(const std::vector<DemoApplication>& applications);

// Takes as long for every wrong secret, however much of it is right.
bool is_same_secret(std::string_view given, std::string_view wanted);

}  // namespace pmctl
