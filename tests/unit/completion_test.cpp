#include "cli/completion.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.hpp"

using namespace pmctl;

namespace {

std::string output_of(const std::string& command, int& status) {
    std::string text;
    FILE* pipe = ::popen(command.c_str(), "r");
    REQUIRE(pipe != nullptr);
    std::array<char, 4096> piece{};
    while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), pipe))
        text.append(piece.data(), count);
    status = ::pclose(pipe);
    return text;
}

// A script's file and a `pmctl` that knows three names, both gone afterwards.
class Shelf {
  public:
    explicit Shelf(const std::string& shell) {
        std::array<char, 32> name{"/tmp/pmctl-test-XXXXXX"};
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        folder_ = name.data();
        std::ofstream(script()) << completion_script(shell);
        std::ofstream(folder_ + "/pmctl") << "#!/bin/sh\nprintf 'web:0\\nweb:1\\nworker\\n'\n";
        REQUIRE(::system(("chmod +x " + folder_ + "/pmctl").c_str()) == 0);
    }
    Shelf(const Shelf&) = delete;
    Shelf& operator=(const Shelf&) = delete;
    ~Shelf() { CHECK(::system(("rm -r " + folder_).c_str()) == 0); }
    std::string script() const { return folder_ + "/script"; }
    const std::string& folder() const { return folder_; }

  private:
    std::string folder_;
};

std::string completed(const Shelf& shelf, const std::string& words, std::size_t index) {
    int status = 0;
    return output_of("PATH=" + shelf.folder() + ":$PATH bash -c '. " + shelf.script() +
                         "; COMP_WORDBREAKS=; COMP_WORDS=(" + words + "); COMP_CWORD=" +
                         std::to_string(index) + "; _pmctl; echo \"${COMPREPLY[*]}\"' 2>&1",
                     status);
}

}  // namespace

TEST_CASE("each shell that is there accepts its script") {
    for (const std::string shell : {"bash", "zsh", "fish"}) {
        if (::system(("command -v " + shell + " >/dev/null").c_str()) != 0) continue;
        const Shelf shelf(shell);
        int status = 0;
        const std::string text = output_of(shell + " -n " + shelf.script() + " 2>&1", status);
        CHECK_MESSAGE(status == 0, shell << ": " << text);
    }
}

TEST_CASE("each script knows every command and every option") {
    for (const std::string shell : {"bash", "zsh", "fish"}) {
        const std::string script = completion_script(shell);
        for (const CommandWords& each : all_commands()) {
            CHECK_MESSAGE(script.find(each.name) != std::string::npos, shell << " " << each.name);
            for (const auto& [option, summary] : each.options) {
                const std::string word =
                    shell == "fish" ? option.substr(option.find_first_not_of('-')) : option;
                CHECK_MESSAGE(script.find(word) != std::string::npos, shell << " " << option);
            }
        }
    }
}

TEST_CASE("bash completes commands, options, fixed words and live names") {
    const Shelf shelf("bash");
    CHECK(completed(shelf, "pmctl sta", 1) == "start status\n");
    CHECK(completed(shelf, "pmctl status w", 2) == "web:0 web:1 worker\n");
    CHECK(completed(shelf, "pmctl --config x.toml why wo", 4) == "worker\n");
    CHECK(completed(shelf, "pmctl logs --fo", 2) == "--follow\n");
    CHECK(completed(shelf, "pmctl wait --for st", 3) == "stopped\n");
    CHECK(completed(shelf, "pmctl completion f", 2) == "fish\n");
    CHECK(completed(shelf, "pmctl ports w", 2) == "\n");
}
