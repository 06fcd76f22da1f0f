from quality_gate.reports.confidence_chart import confidence_figure


def test_the_histogram_puts_photos_to_review_on_top_of_accepted_ones():
    figure = confidence_figure({("accept", 19): 4, ("review", 19): 1, ("review", 3): 2})
    (axes,) = figure.axes
    accepted, review = axes.containers
    assert [bar.get_height() for bar in accepted][19] == 4
    assert (review[19].get_y(), review[19].get_height()) == (4, 1)
    assert review[3].get_height() == 2
