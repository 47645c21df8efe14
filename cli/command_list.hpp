// The commands with their groups and one-line summaries: what `pmctl` alone prints.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "cli/arguments.hpp"

namespace pmctl {

struct CommandEntry {
    Command command;
    std::string_view name;
    std::string_view group;
    std::string_view synopsis;  // what follows the name
    std::string_view summary;
};

inline constexpr std::array<CommandEntry, 26> command_list = {{
    {Command::Up, "up", "Run", "[-d] [TARGET...]", "Start a supervisor for this configuration and follow it"},
    {Command::Down, "down", "Run", "[--now]", "Stop every instance and the supervisor"},
    {Command::Upgrade, "upgrade", "Run", "", "Let the installed program take over; instances run on"},
    {Command::Start, "start", "Run", "TARGET...", "Start instances and wait until they are healthy"},
    {Command::Stop, "stop", "Run", "TARGET...", "Stop instances; they stay stopped until started"},
    {Command::Restart, "restart", "Run", "TARGET...", "Restart instances and wait until they are healthy"},
    {Command::Scale, "scale", "Run", "ID=N...", "Set the number of replicas until the next reload"},
    {Command::Signal, "signal", "Run", "SIG TARGET...", "Send a signal to running instances"},
    {Command::Reset, "reset", "Run", "TARGET...", "Clear failures, close the circuit, try again now"},
    {Command::Status, "status", "Look", "[TARGET...]", "Show what runs and what does not; one in full"},
    {Command::Logs, "logs", "Look", "[TARGET...]", "Show what instances wrote"},
    {Command::Events, "events", "Look", "[TARGET...]", "Show what happened and why"},
    {Command::Why, "why", "Look", "NAME", "Tell the story of one instance and what comes next"},
    {Command::Ports, "ports", "Look", "", "Show which ports are in use"},
    {Command::Routes, "routes", "Look", "[HOSTNAME]", "Show where hostnames lead"},
    {Command::Admin, "admin", "Look", "", "Show how the admin service is doing and what it says"},
    {Command::Report, "report", "Look", "[TARGET...]", "Show how well what is wanted was kept running"},
    {Command::Wait, "wait", "Look", "--for WHAT [TARGET...]", "Wait until instances are as they should be"},
    {Command::Reload, "reload", "Configure", "", "Read the configuration again and apply what changed"},
    {Command::Plan, "plan", "Configure", "", "Show what a reload would change"},
    {Command::Validate, "validate", "Configure", "[FILE]", "Check a configuration; no supervisor needed"},
    {Command::Config, "config", "Configure", "[ID]", "Show the effective values and where each comes from"},
    {Command::Init, "init", "Configure", "", "Write a commented pmctl.toml to start from"},
    {Command::Completion, "completion", "Other", "bash|zsh|fish", "Print a completion script"},
    {Command::Help, "help", "Other", "[COMMAND]", "Show help"},
    {Command::Version, "version", "Other", "", "Print the version"},
}};

const CommandEntry* find_command(std::string_view name);
std::string short_help();

}  // namespace pmctl
