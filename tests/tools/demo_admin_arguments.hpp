// The command line of pmctl-demo-admin: argv to what is asked for. The only file of it that includes CLI11.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/result.hpp"
#include "tests/tools/demo_admin_server.hpp"

namespace pmctl {

// What 'add' and 'set' say of an application: what is not given stays as it is, "" takes it away.
struct DemoChange {
    std::string id;
    std::optional<std::string> app;
    std::optional<std::string> name;
    std::optional<std::string> hostname;
    std::optional<std::string> db_name;
    std::optional<std::string> replicas;
    std::optional<std::string> enabled;
    std::optional<std::string> version;
    std::vector<std::string> env;  // NAME=VALUE; NAME alone takes it away
};

struct DemoAdd {
    DemoChange change;
    std::optional<std::uint32_t> count;  // ID-0, ID-1 ...; "{}" in values becomes the number
};
struct DemoSet {
    DemoChange change;
};
struct DemoRemove {
    std::vector<std::string> ids;
};
struct DemoList {
    bool json = false;
};
struct DemoSetFaults {
    std::string list;
};
struct DemoResetEvents {};
struct DemoShow {  // help or version
    std::string text;
};

struct DemoOrder {
    std::string db;
    std::variant<DemoShow, ServeOptions, DemoAdd, DemoSet, DemoRemove, DemoList, DemoSetFaults,
                 DemoResetEvents>
        what;
};

// Error: Invalid, what is wrong with the arguments; and those of the secret's file.
Result<DemoOrder> parse_demo_arguments(int argc, char** argv);

// The change, made in `application`. Error: Invalid, "--replicas: ...".
Result<DemoApplication> changed(DemoApplication application, const DemoChange& change);

}  // namespace pmctl
