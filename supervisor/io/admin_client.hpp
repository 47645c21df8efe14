// The calls of the admin service over HTTP: each kind on a kept-alive connection of its own, so that a poll
// that is held delays no fetch. Which call is made when, and what its result leads to, is admin_provider's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "shared/result.hpp"
#include "supervisor/core/admin_call.hpp"
#include "supervisor/io/loop.hpp"

namespace pmctl {

class AdminClient {
  public:
    using Replied = std::function<void(std::uint64_t number, AdminResult result)>;

    // `replied` is called on the loop, never within call(), once for each call that is not dropped; it may
    // call again, drop, or destroy this. The loop outlives this.
    AdminClient(Loop& loop, Replied replied);
    ~AdminClient();
    AdminClient(const AdminClient&) = delete;
    AdminClient& operator=(const AdminClient&) = delete;

    // To be called before the first call, and again whenever the configuration was read: where something is
    // other than before, the text of ca_file included, both connections are closed and the calls under way
    // are dropped. Error: Failed or Invalid, `ca_file` cannot be read or holds no certificate, or the secret
    // or application id cannot be put into a header; what was in force stays in force.
    Result<void> set(const AdminAccess& access);

    // A call of the same kind that is under way is dropped.
    void call(const AdminCall& call);
    void drop();  // all calls under way

  private:
    struct Inner;
    std::unique_ptr<Inner> inner_;
};

}  // namespace pmctl
