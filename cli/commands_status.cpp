#include <poll.h>

#include <algorithm>
#include <map>

#include "cli/commands.hpp"
#include "cli/output.hpp"

namespace pmctl {

namespace {

bool is_plain_name(const std::string& target) {
    return !target.starts_with('@') && target.find_first_of("*?[") == std::string::npos;
}

bool is_named(const Arguments& args) {
    return !args.targets.names.empty() || args.targets.all;
}

// As many as fit, the last of them saying how many do not; 0: all.
std::string first_lines(std::string text, std::size_t height) {
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    // The cursor stands on a line of its own.
    if (height < 3 || lines < height) return text;
    std::size_t end = 0;
    for (std::size_t i = 0; i + 2 < height; ++i) end = text.find('\n', end) + 1;
    text.resize(end);
    return text + "... " + std::to_string(lines - (height - 2)) + " more\n";
}

void show_rows(Session& session, const std::vector<StatusRow>& rows, const Style& style) {
    if (session.args().json) {
        session.print(status_json(rows) + "\n");
    } else if (session.args().quiet) {
        session.print(status_names(rows));
    } else {
        session.print(status_table(rows, style));
    }
}

// Shown again on each change; on a terminal in place, and each second for the uptime.
class Watch {
  public:
    Watch(Session& session, Client& client) : session_(session), client_(client) {}

    Result<int> run() {
        StatusRequest request{session_.args().targets, 0, {}};
        bool changed = true;
        while (true) {
            if (changed) {
                auto whole = client_.ask_for<StatusReply>(StatusRequest{request.targets, 0, {}});
                if (!whole) return tl::unexpected(whole.error());
                rows_ = std::move(whole->rows);
                request.since = whole->generation;
                taken_ = std::chrono::steady_clock::now();
            }
            if (changed || session_.on_terminal()) show();
            request.wait = session_.on_terminal() ? std::chrono::seconds(1) : std::chrono::seconds(30);
            const auto news = client_.ask_for<StatusReply>(request);
            if (!news) return tl::unexpected(news.error());
            changed = !news->rows.empty() || !news->gone.empty();
        }
    }

  private:
    void show() {
        std::vector<StatusRow> rows = rows_;
        for (StatusRow& row : rows) {
            if (row.uptime) *row.uptime += std::chrono::steady_clock::now() - taken_;
        }
        Style style = session_.style();
        if (session_.on_terminal()) {
            style.width = session_.terminal_width();
            session_.print(started_ ? "\x1b[H" : "\x1b[2J\x1b[H");
        } else if (started_ && !session_.args().json) {
            session_.print("\n");
        }
        started_ = true;
        if (session_.on_terminal() && !session_.args().json && !session_.args().quiet) {
            // Each line is cleared to its end, and what was longer before, below.
            std::string text = first_lines(status_table(rows, style), session_.terminal_height());
            for (std::size_t at = 0; (at = text.find('\n', at)) != std::string::npos; at += 4)
                text.insert(at, "\x1b[K");
            session_.print(text + "\x1b[J");
        } else {
            show_rows(session_, rows, style);
        }
        session_.flush();
    }

    Session& session_;
    Client& client_;
    std::vector<StatusRow> rows_;
    std::chrono::steady_clock::time_point taken_;
    bool started_ = false;
};

}  // namespace

Result<int> run_status(Session& session) {
    const Arguments& args = session.args();
    auto client = session.connect();
    if (!client) return tl::unexpected(client.error());
    if (args.watch) return Watch(session, *client).run();
    StatusRequest request{args.targets, 0, {}};
    request.in_full = args.targets.names.size() == 1 && is_plain_name(args.targets.names.front()) &&
                      !args.json && !args.quiet;
    const auto reply = client->ask_for<StatusReply>(request);
    if (!reply) return tl::unexpected(reply.error());
    if (!reply->notice.empty()) session.say(reply->notice);
    if (reply->admin) session.say(admin_notice(*reply->admin, std::chrono::system_clock::now()));
    if (reply->one) {
        session.print(full_view(*reply->one, session.style()));
        return status_exit({reply->one->row}, true);
    }
    Style style = session.style();
    // A row is a line; the reason that is cut is in `pmctl status NAME`.
    if (session.on_terminal()) style.width = session.terminal_width();
    show_rows(session, reply->rows, style);
    return status_exit(reply->rows, is_named(args));
}

}  // namespace pmctl
