"""The page that shows a job's results: `report.html`, with its data beside it in `report/`.

Browsers let a page that was opened from a folder read nothing but scripts, so the data are scripts that call one
function of the page (`scripts`). Tables and facts are written by merge (`content`), images by render, in packs
(`packs`), and the page itself by who publishes the results (`page`).
"""
