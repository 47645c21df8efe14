#include "supervisor/io/exec_failure.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

namespace pmctl {

namespace {

constexpr std::size_t head_size = 4096;  // the kernel itself looks at 256 bytes of a first line

std::string under(const std::string& folder, const std::string& path) {
    return path.starts_with('/') ? path : folder + "/" + path;
}

bool exists(const std::string& path, struct stat& info) {
    return ::stat(path.c_str(), &info) == 0;
}

// What the search ended at: the first that is there, as execvp(3) reports it.
std::string resolve(const std::string& program, const std::string& search_path,
                    const std::string& working_dir) {
    if (program.find('/') != std::string::npos) return under(working_dir, program);
    std::string_view rest = search_path;
    for (;;) {
        const auto colon = rest.find(':');
        const std::string folder(rest.substr(0, colon));
        std::string candidate = under(working_dir, folder.empty() ? program : folder + "/" + program);
        struct stat info{};
        if (exists(candidate, info)) return candidate;
        if (colon == std::string_view::npos) return {};
        rest.remove_prefix(colon + 1);
    }
}

std::string head_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string head(head_size, '\0');
    file.read(head.data(), static_cast<std::streamsize>(head.size()));
    head.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    return head;
}

// "#!/usr/bin/env node" → "/usr/bin/env".
std::optional<std::string> interpreter_of_script(const std::string& head) {
    if (!head.starts_with("#!")) return std::nullopt;
    const auto first = head.find_first_not_of(" \t", 2);
    if (first == std::string::npos) return std::nullopt;
    const auto end = head.find_first_of(" \t\n", first);
    return head.substr(first, end == std::string::npos ? end : end - first);
}

// The dynamic loader that a 64-bit program names in its PT_INTERP (elf(5)).
std::optional<std::string> loader_of_program(const std::string& head) {
    Elf64_Ehdr header{};
    if (head.size() < sizeof header) return std::nullopt;
    std::memcpy(&header, head.data(), sizeof header);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64)
        return std::nullopt;
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        const std::size_t at = header.e_phoff + i * sizeof segment;
        if (header.e_phoff > head.size() || at + sizeof segment > head.size()) return std::nullopt;
        std::memcpy(&segment, head.data() + at, sizeof segment);
        if (segment.p_type != PT_INTERP) continue;
        if (segment.p_filesz == 0 || segment.p_offset >= head.size() ||
            segment.p_filesz > head.size() - segment.p_offset)
            return std::nullopt;
        return std::string(head.c_str() + segment.p_offset);
    }
    return std::nullopt;
}

// What a found file lacks; "" where there is no more to say than the errno does.
std::string lack(const std::string& path, const std::string& working_dir, int error_number) {
    struct stat info{};
    if (!exists(path, info)) return {};
    if (error_number == EACCES) {
        if (S_ISDIR(info.st_mode)) return "a folder";
        if ((info.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) return "not executable";
        struct statvfs mounted{};
        if (::statvfs(path.c_str(), &mounted) == 0 && (mounted.f_flag & ST_NOEXEC) != 0)
            return "its file system is mounted noexec";
        if (const auto interpreter = interpreter_of_script(head_of(path)))
            return fmt::format("it or its interpreter '{}' is not executable for this user", *interpreter);
        return "not executable for this user";
    }
    if (error_number == ENOEXEC) return "neither a program for this machine nor a script with a '#!' line";
    if (error_number == ETXTBSY) return "still open for writing";
    if (error_number != ENOENT && error_number != ENOTDIR && error_number != ELIBBAD) return {};
    const std::string head = head_of(path);
    struct stat other{};
    if (const auto interpreter = interpreter_of_script(head)) {
        if (exists(under(working_dir, *interpreter), other)) return {};
        const bool carriage_return = interpreter->ends_with('\r');
        const std::string name = interpreter->substr(0, interpreter->size() - (carriage_return ? 1 : 0));
        return fmt::format("the interpreter '{}' named on its first line does not exist{}", name,
                           carriage_return ? " (the line ends in a carriage return)" : "");
    }
    if (const auto loader = loader_of_program(head); loader && !exists(*loader, other)) {
        return fmt::format("the dynamic loader '{}' that it names does not exist", *loader);
    }
    return {};
}

}  // namespace

std::string describe_exec_failure(const std::string& program, const std::string& search_path,
                                  const std::string& working_dir, int error_number) {
    const std::string path = resolve(program, search_path, working_dir);
    if (path.empty() && error_number == ENOENT) {
        return fmt::format("exec '{}': not found in PATH '{}'", program, search_path);
    }
    const std::string reason = path.empty() ? "" : lack(path, working_dir, error_number);
    if (reason.empty()) return fmt::format("exec '{}': {}", program, std::strerror(error_number));
    if (reason.starts_with("the ")) return fmt::format("exec '{}': {}", program, reason);
    return fmt::format("exec '{}': {} ({})", program, std::strerror(error_number), reason);
}

}  // namespace pmctl
