#include "supervisor/core/spec_fingerprint.hpp"

#include <fmt/format.h>

#include <array>
#include <concepts>
#include <cstdint>
#include <string_view>

#include "shared/fnv.hpp"

namespace pmctl {

namespace {

class Fingerprint {
  public:
    // What differs from its default, under its name.
    template <class T>
    void field(std::string_view name, const T& value, const T& usual = T()) {
        if (value == usual) return;
        add(name);
        add(value);
    }

    std::string text() const { return fmt::format("{:016x}", hash_); }

  private:
    // With its length before it: no two lists of texts are one row of bytes.
    void add(std::string_view text) {
        add(std::uint64_t{text.size()});
        hash_ = fnv1a(text, hash_);
    }
    void add(const std::string& text) { add(std::string_view(text)); }
    template <std::integral T>
    void add(T number) {
        auto rest = static_cast<std::uint64_t>(number);
        std::array<char, 8> bytes{};  // the lowest first, on every machine
        for (char& byte : bytes) {
            byte = static_cast<char>(rest & 0xff);
            rest >>= 8;
        }
        hash_ = fnv1a({bytes.data(), bytes.size()}, hash_);
    }
    // As people write it: the bytes of a double are not the same on every machine.
    void add(double number) { add(fmt::format("{}", number)); }
    void add(const std::vector<std::string>& texts) {
        add(std::uint64_t{texts.size()});
        for (const std::string& text : texts) add(text);
    }
    void add(const Environment& env) {
        add(std::uint64_t{env.size()});
        for (const auto& [name, value] : env) {
            add(name);
            add(value);
        }
    }
    void add(const std::optional<std::uint64_t>& number) { add(number.value_or(0)); }
    void add(const PortWish& wish) {
        const auto& [kind, number] = wish;
        switch (kind) {
            case PortWish::Kind::Auto: return add(std::string_view("auto"));
            case PortWish::Kind::None: return add(std::string_view("none"));
            case PortWish::Kind::Fixed: return add(number);
        }
    }

    std::uint64_t hash_ = fnv_begin;
};

}  // namespace

std::string spec_fingerprint(const ProcessSpec& spec) {
    // Each field has its name here, so a new one that is forgotten below does not compile.
    const auto& [command, working_dir, env_file_values, env, pass_internal_secret, user, group_id, umask,
                 port, socket_activation, limits, version, db_name, secret_mark] = spec;
    const auto& [open_files, core_size, memory, cpu, tasks] = limits;
    Fingerprint print;
    print.field("command", command);
    print.field("working_dir", working_dir);
    print.field("env_file", env_file_values);
    print.field("env", env);
    print.field("pass_internal_secret", pass_internal_secret);
    print.field("user", user);
    print.field("group_id", group_id);
    print.field("umask", umask, std::uint32_t{0022});
    print.field("port", port);
    print.field("socket_activation", socket_activation);
    print.field("limits.open_files", open_files);
    print.field("limits.core_size", core_size);
    print.field("limits.memory", memory);
    print.field("limits.cpu", cpu);
    print.field("limits.tasks", tasks);
    print.field("version", version);
    print.field("db_name", db_name);
    print.field("secret_mark", secret_mark);
    return print.text();
}

}  // namespace pmctl
