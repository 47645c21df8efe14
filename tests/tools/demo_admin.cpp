// pmctl-demo-admin: a small admin service with the protocol of a real one, and the commands that change it.
// This file does what the command line asks for; how it is served is demo_admin_server's.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <iomanip>
#include <iostream>

#include "tests/tools/demo_admin_arguments.hpp"

namespace pmctl {
namespace {

std::string numbered(std::string text, std::uint32_t number) {
    constexpr std::string_view mark = "{}";
    const std::string digits = std::to_string(number);
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + digits.size()))
        text.replace(at, mark.size(), digits);
    return text;
}

DemoChange numbered(DemoChange change, std::uint32_t number) {
    change.id += '-' + std::to_string(number);
    for (auto* text : {&change.app, &change.name, &change.hostname, &change.db_name, &change.version}) {
        if (*text) *text = numbered(**text, number);
    }
    for (std::string& variable : change.env) variable = numbered(variable, number);
    return change;
}

std::string event_words(std::uint64_t event) {
    return " (event " + std::to_string(event) + ")\n";
}

void show_table(const std::vector<DemoApplication>& applications) {
    std::vector<std::vector<std::string>> rows = {
        {"ID", "APP", "HOSTNAME", "REPLICAS", "ENABLED", "VERSION"}};
    for (const DemoApplication& one : applications) {
        rows.push_back({one.id, one.app, one.hostname.empty() ? "-" : one.hostname,
                        one.replicas ? std::to_string(*one.replicas) : "-",
                        one.enabled ? (*one.enabled ? "true" : "false") : "-", one.version.value_or("-")});
    }
    std::vector<std::size_t> widths(rows.front().size());
    for (const auto& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i)
            line += row[i] + std::string(i + 1 < row.size() ? widths[i] - row[i].size() + 2 : 0, ' ');
        std::cout << line << '\n';
    }
}

// One visitor for what is asked for: each command opens the store as it needs it.
struct Commands {
    const std::string& db;

    Result<void> operator()(const DemoShow& show) const {
        std::cout << show.text;
        return {};
    }

    Result<void> operator()(const ServeOptions& options) const { return serve(options); }

    Result<void> operator()(const DemoAdd& add) const {
        const bool is_new = ::access(db.c_str(), F_OK) != 0;
        std::vector<DemoApplication> wanted;
        for (std::uint32_t i = 0; i < add.count.value_or(1); ++i) {
            const DemoChange change = add.count ? numbered(add.change, i) : add.change;
            auto application = changed({.name = change.id}, change);
            if (!application) return tl::unexpected(application.error());
            wanted.push_back(std::move(*application));
        }
        auto store = DemoStore::open(db, DemoStore::Use::Create);
        if (!store) return tl::unexpected(store.error());
        if (is_new)
            std::cerr << "pmctl-demo-admin: made '" << db
                      << "'; who serves another one knows nothing of it\n";
        for (const DemoApplication& application : wanted) {
            const auto event = store->add(application);
            if (!event) return tl::unexpected(event.error());
            std::cout << "added '" << application.id << '\'' << event_words(*event);
        }
        return {};
    }

    Result<void> operator()(const DemoSet& set) const {
        // Checked on nothing first, so that the store need not be able to fail in the middle.
        if (const auto sound = changed({}, set.change); !sound) return tl::unexpected(sound.error());
        auto store = DemoStore::open(db, DemoStore::Use::Existing);
        if (!store) return tl::unexpected(store.error());
        const auto event = store->change(set.change.id, [&set](DemoApplication& application) {
            application = changed(application, set.change).value();
        });
        if (!event) return tl::unexpected(event.error());
        std::cout << "changed '" << set.change.id << '\'' << event_words(*event);
        return {};
    }

    Result<void> operator()(const DemoRemove& remove) const {
        auto store = DemoStore::open(db, DemoStore::Use::Existing);
        if (!store) return tl::unexpected(store.error());
        const auto event = store->remove(remove.ids);
        if (!event) return tl::unexpected(event.error());
        for (std::size_t i = 0; i < remove.ids.size(); ++i)
            std::cout << "removed '" << remove.ids[i] << '\''
                      << event_words(*event - remove.ids.size() + 1 + i);
        return {};
    }

    Result<void> operator()(const DemoList& list) const {
        auto store = DemoStore::open(db, DemoStore::Use::Existing);
        if (!store) return tl::unexpected(store.error());
        const auto found = store->applications();
        if (!found) return tl::unexpected(found.error());
        if (list.json)
            std::cout << applications_json(*found);
        else
            show_table(*found);
        return {};
    }

    Result<void> operator()(const DemoSetFaults& faults) const {
        auto store = DemoStore::open(db, DemoStore::Use::Create);
        if (!store) return tl::unexpected(store.error());
        if (const auto set = store->set_faults(faults.list); !set) return set;
        std::cout << "faults: " << (faults.list.empty() ? "none" : faults.list) << '\n';
        return {};
    }

    Result<void> operator()(const DemoResetEvents&) const {
        auto store = DemoStore::open(db, DemoStore::Use::Existing);
        if (!store) return tl::unexpected(store.error());
        const auto before = store->reset_events();
        if (!before) return tl::unexpected(before.error());
        std::cout << "events begin at 1 again; the newest was " << *before << '\n';
        return {};
    }
};

int run(int argc, char** argv) {
    // A reader of the log that goes away is no reason to end.
    std::signal(SIGPIPE, SIG_IGN);
    const auto order = parse_demo_arguments(argc, argv);
    const auto done =
        order ? std::visit(Commands{order->db}, order->what) : Result<void>(tl::unexpected(order.error()));
    if (done) return 0;
    std::cerr << "pmctl-demo-admin: " << done.error().message << '\n';
    return exit_status(done.error().kind);
}

}  // namespace
}  // namespace pmctl

int main(int argc, char** argv) {
    try {
        return pmctl::run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "pmctl-demo-admin: a bug: " << error.what() << '\n';
        return 1;
    }
}
