from benchmarks.paper import plots


def test_a_panel_without_rows_says_so() -> None:
    rows = [{"data": d, "base": b} for d, b in (("a", "x"), ("a", "y"), ("b", "x"))]
    figure = plots._panels(rows, lambda axes, own: axes.plot([0, 1], label=str(len(own))))
    drawn = {axes.get_title(): axes for axes in figure.axes}
    assert [text.get_text() for text in drawn["b, y"].texts] == ["not measured"]
    assert not drawn["b, y"].axison
    assert drawn["b, x"].axison and not drawn["b, x"].texts
