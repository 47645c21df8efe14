#include "shared/size.hpp"

#include <doctest/doctest.h>

using namespace pmctl;

TEST_CASE("a size is bytes, or a number with a unit of 1024 or of 1000") {
    struct Row {
        const char* text;
        std::uint64_t value;
    };
    for (const Row& row : {Row{"0", 0},
                           Row{"512", 512},
                           Row{"512B", 512},
                           Row{"10KiB", 10240},
                           Row{"10MiB", 10485760},
                           Row{"1.5GiB", 1610612736},
                           Row{"2TiB", 2199023255552},
                           Row{"10kB", 10000},
                           Row{"10KB", 10000},
                           Row{"10MB", 10000000},
                           Row{"1GB", 1000000000},
                           Row{"1TB", 1000000000000},
                           Row{"0.5KiB", 512},
                           Row{"0.1MiB", 104857},
                           Row{"18446744073709551615", UINT64_MAX},
                           Row{"1.25kB", 1250},
                           Row{"4K", 4096},
                           Row{"40M", 41943040},
                           Row{"512m", 536870912},
                           Row{"1.5G", 1610612736}}) {
        CAPTURE(row.text);
        const auto value = parse_size(row.text);
        REQUIRE(value);
        CHECK(*value == row.value);
    }
}

TEST_CASE("what is no size is refused with what was found and what is allowed") {
    for (const char* text : {"", "MiB", "M", "-1", "+1", "1 MiB", "10P", "10mib", "1.MiB", ".5MiB", "1.5",
                             "1e3", "10MiBs", "18446744073709551616", "99999999TiB", "16777216TiB"}) {
        CAPTURE(text);
        const auto value = parse_size(text);
        REQUIRE_FALSE(value);
        CHECK(value.error().kind == ErrorKind::Invalid);
        CHECK(value.error().message.find("'" + std::string(text) + "'") != std::string::npos);
        CHECK(value.error().message.find("\"10MiB\"") != std::string::npos);
    }
}

TEST_CASE("a formatted size is short and reads back to the same value") {
    struct Row {
        std::uint64_t value;
        const char* text;
    };
    for (const Row& row :
         {Row{0, "0B"}, Row{1, "1B"}, Row{1500, "1500B"}, Row{1000, "1kB"}, Row{1024, "1KiB"},
          Row{10485760, "10MiB"}, Row{10000000, "10MB"}, Row{1536, "1536B"}, Row{1610612736, "1536MiB"},
          Row{UINT64_MAX, "18446744073709551615B"}}) {
        CAPTURE(row.value);
        CHECK(format_size(row.value) == row.text);
        const auto back = parse_size(row.text);
        REQUIRE(back);
        CHECK(*back == row.value);
    }
}
