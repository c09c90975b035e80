"""The views of the page: each is a module here and a template of its name.

To add one:

1. a module with a ``PageView``: its words by ``msgid``, its routes, and a function for each route that takes
   ``PageTools`` and a ``Visit`` and answers with ``tools.page(NAME, visit, ...)`` or ``go_to(...)``;
2. a template ``NAME.html`` that extends ``base.html``, and an icon of that name in ``icons.html``;
3. the view in ``VIEWS`` of ``page_app.py``, and its routes in ``people/route_roles.py``;
4. ``python scripts/catalogues.py --write``, and the new texts in the catalogues translated.

``help_view.py`` is the shortest one. What happens without a press comes by ``live/page_events.py``.
"""
