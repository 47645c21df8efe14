#include "supervisor/io/config_files.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config_fixture.hpp"
#include "shared/find_config.hpp"
#include "shared/text_file.hpp"

using namespace pmctl;
namespace fs = std::filesystem;

namespace {

class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "pmctl-config-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = fs::canonical(name);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }

    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    std::string write(const std::string& name, const std::string& text) const {
        fs::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name) << text;
        return *this / name;
    }

  private:
    fs::path path_;
};

std::string instance(const std::string& id) {
    return "[instances." + id + "]\ncommand = [\"/x\"]\n";
}

LoadedConfig load_file(const std::string& path) {
    return load_config(path, test::usual_surroundings());
}

}  // namespace

TEST_CASE("includes are read in the order of their names, each file once") {
    const Folder folder;
    const std::string main = folder.write(
        "pmctl.toml", "include = [\"conf.d/*.toml\", \"extra.toml\", \"conf.d/b.toml\", \"none/*.toml\"]\n");
    folder.write("conf.d/b.toml", "[defaults]\ngroup = \"b\"\n" + instance("b"));
    folder.write("conf.d/a.toml", "[defaults]\ngroup = \"a\"\n" + instance("a"));
    folder.write("conf.d/ignored.txt", "nonsense");
    folder.write("extra.toml", instance("extra"));
    const auto loaded = load_file(main);
    REQUIRE(test::problems_of(loaded) == "");
    CHECK(loaded.config->files == std::vector<std::string>{main, folder / "conf.d/a.toml",
                                                           folder / "conf.d/b.toml", folder / "extra.toml"});
    CHECK(loaded.config->instances.size() == 3);
    CHECK(test::find(loaded, "a")->policy.group == "b");
}

TEST_CASE("a plain include that is not there is a problem, and the others are still checked") {
    const Folder folder;
    const std::string main = folder.write("pmctl.toml", "include = [\"gone.toml\",\n  \"bad.toml\"]\n");
    folder.write("bad.toml", "[instances.x]\ncomand = []\n");
    const auto loaded = load_file(main);
    REQUIRE(loaded.problems.size() == 2);
    CHECK(format_problem(loaded.problems[0]) ==
          main + ":1:12: 'include' '" + (folder / "gone.toml") + "': No such file or directory");
    CHECK(loaded.problems[1].file == folder / "bad.toml");
}

TEST_CASE("an env_file is read, and one that is not there is a problem where it is named") {
    const Folder folder;
    const std::string main =
        folder.write("pmctl.toml", instance("a") + "env_file = \"a.env\"\nenv = { B = \"${A}\" }\n");
    const auto missing = load_file(main);
    REQUIRE(missing.problems.size() == 1);
    CHECK(format_problem(missing.problems[0]) ==
          main + ":3:1: 'env_file' '" + (folder / "a.env") + "': No such file or directory");
    folder.write("a.env", "A=1\n");
    const auto loaded = load_file(main);
    REQUIRE(test::problems_of(loaded) == "");
    CHECK(test::find(loaded, "a")->process.env_file_values == Environment{{"A", "1"}});
}

TEST_CASE("a main file that cannot be read is a problem") {
    const Folder folder;
    const auto gone = load_file(folder / "pmctl.toml");
    REQUIRE(gone.problems.size() == 1);
    CHECK(gone.problems[0].message.find("No such file") != std::string::npos);
    const auto is_folder = load_file(folder / ".");
    REQUIRE(is_folder.problems.size() == 1);
    CHECK(is_folder.problems[0].message.find("is a folder") != std::string::npos);
}

TEST_CASE("a file is read whole up to its limit, and a FIFO holds nobody") {
    const Folder folder;
    const std::string text(10000, 'x');
    const std::string path = folder.write("f", text);
    CHECK(*read_text_file(path, 10000) == text);
    CHECK(read_text_file(path, 9999).error().message.find("is larger than 9999B") != std::string::npos);
    CHECK(*read_text_file(folder.write("empty", ""), 10) == "");
    CHECK(*read_text_file("/dev/null", 10) == "");
    CHECK(read_text_file("/proc/self/status", 1 << 20)->starts_with("Name:"));
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    CHECK(*read_text_file(folder / "fifo", 10) == "");
}

TEST_CASE("the secret of [admin] is read from a file that nobody else can read") {
    const Folder folder;
    const std::string main = folder.write(
        "pmctl.toml", "[admin]\nurl = \"https://x\"\nsecret_file = \"s\"\nca_file = \"ca.pem\"\n");
    const auto problems = [&main] {
        std::string text;
        for (const Problem& each : load_file(main).problems)
            text += format_problem(each).substr(main.size()) + "\n";
        return text;
    };
    folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\n");
    CHECK(problems() == ":3:1: 'admin.secret_file' '" + (folder / "s") + "': No such file or directory\n");
    folder.write("s", "s3cr3t\n");
    REQUIRE(::chmod((folder / "s").c_str(), 0644) == 0);
    CHECK(problems() == ":3:1: 'admin.secret_file' '" + (folder / "s") +
                            "' may be read by others (mode 0644): chmod 600 it\n");
    REQUIRE(::chmod((folder / "s").c_str(), 0600) == 0);
    CHECK(problems() == "");
    const auto loaded = load_file(main);
    REQUIRE(loaded.config);
    CHECK(loaded.config->admin_secret == "s3cr3t");
    folder.write("ca.pem", "x");
    CHECK(problems() == ":4:1: 'admin.ca_file' '" + (folder / "ca.pem") + "': has no certificate in PEM\n");
    fs::remove(folder / "ca.pem");
    CHECK(problems() == ":4:1: 'admin.ca_file' '" + (folder / "ca.pem") + "': No such file or directory\n");
    folder.write("s", "\n");
    CHECK(problems().find("the secret is empty") != std::string::npos);
}

TEST_CASE("the configuration is the flag's, the variable's, or the nearest above") {
    const Folder folder;
    const std::string flag = folder.write("flag.toml", "");
    const std::string variable = folder.write("variable.toml", "");
    const std::string above = folder.write("pmctl.toml", "");
    fs::create_directories(folder / "a/b");
    CHECK(*find_config(flag, variable, folder / "a") == flag);
    CHECK(*find_config("../flag.toml", "", folder / "a") == flag);
    CHECK(*find_config("", variable, folder / "a") == variable);
    CHECK(*find_config("", "", folder / "a/b") == above);
    const std::string nearer = folder.write("a/pmctl.toml", "");
    CHECK(*find_config("", "", folder / "a/b") == nearer);
    const auto gone = find_config("gone.toml", "", folder / "a");
    REQUIRE_FALSE(gone);
    CHECK(gone.error().kind == ErrorKind::Invalid);
    CHECK(gone.error().message.find("--config") != std::string::npos);
    CHECK(find_config("", "gone.toml", folder / "a").error().message.find("PMCTL_CONFIG") !=
          std::string::npos);
    fs::create_symlink(flag, folder / "link.toml");
    CHECK(*find_config(folder / "link.toml", "", "/") == flag);
}

TEST_CASE("the surroundings are the environment as a map") {
    const char* const environment[] = {"A=1", "B=x=y", "A=2", "nonsense", "=odd", nullptr};
    const auto surroundings = surroundings_of(environment, 7);
    CHECK(surroundings.uid == 7);
    CHECK(surroundings.environment == Environment{{"A", "1"}, {"B", "x=y"}});
    CHECK(surroundings_of(nullptr, 0).environment.empty());
}
