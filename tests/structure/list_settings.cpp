// Prints the table of settings for the test that holds the manual to it: key, tab, default as TOML.
#include <iostream>

#include "supervisor/core/settings.hpp"

int main() {
    for (const auto& table : {pmctl::global_settings(), pmctl::instance_settings()})
        for (const pmctl::Setting& setting : table)
            std::cout << setting.key << '\t' << setting.default_text << '\n';
}
