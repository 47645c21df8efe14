// Text for a terminal: aligned columns, colours only when told, widths as a terminal counts them. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pmctl {

struct Style {
    bool color = false;
    std::size_t width = 0;  // of the terminal, to cut lines at; 0: lines are not cut
};

enum class Color { None, Red, Green, Yellow, Blue, Magenta, Cyan, Dim, Bold };

// The text between its escape codes where the style has colours, else as it is.
std::string paint(std::string_view text, Color color, const Style& style);
// Columns on a terminal: wide characters of East Asia count two, combining marks none.
std::size_t display_width(std::string_view text);
// What came from outside, fit for one line: control characters become '?'.
std::string printable(std::string_view text);

class Table {
  public:
    struct Cell {
        std::string text;
        Color color = Color::None;
    };
    void add_row(std::vector<Cell> cells) { rows_.push_back(std::move(cells)); }
    // Two spaces between columns, none at the end of a line.
    std::string text(const Style& style) const;

  private:
    std::vector<std::vector<Cell>> rows_;
};

}  // namespace pmctl
