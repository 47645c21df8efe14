// What every command of one call of pmctl works with: its arguments, where to print, where the supervisor is.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/arguments.hpp"
#include "cli/client.hpp"
#include "cli/table.hpp"
#include "shared/result.hpp"

namespace pmctl {

class Session {
  public:
    explicit Session(Arguments given);

    const Arguments& args() const { return args_; }
    const Style& style() const { return style_; }
    bool on_terminal() const { return terminal_; }  // standard output
    std::size_t terminal_width() const;             // columns; 0: unknown
    std::size_t terminal_height() const;            // rows; 0: unknown

    // To standard output, written when the command ends, before a message, or at flush(). When nobody reads
    // it any longer the program ends, quietly, after `output_lost`.
    void print(std::string_view text);
    void flush();
    void on_output_lost(std::function<void()> output_lost) { output_lost_ = std::move(output_lost); }
    // "pmctl: text" to standard error.
    void say(std::string_view text);
    void say_error(const Error& error);

    // Of the configuration: absolute, links resolved.
    Result<std::string> config_path() const;
    Result<std::string> socket_path() const;
    Result<Client> connect() const;

  private:
    Arguments args_;
    bool terminal_ = false;
    Style style_;
    std::string out_;
    std::function<void()> output_lost_;
};

}  // namespace pmctl
