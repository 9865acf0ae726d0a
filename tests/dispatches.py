import csv

from e5demo.config import SplitSettings

SPLIT = SplitSettings()
COLUMNS = ["Titre", "Contenu", "Date (dd.mm.yyyy)", "Agency", "URL"]


def write_news(path, rows=40):
    """Each title shares one word with its article alone. A title stands twice, an article too."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i in range(rows):
            article = f"Corps alpha{i} beta{i} zyx{i:02} gamma{i}"
            writer.writerow(
                [f"Une dépêche numéro zyx{i:02}", article, "05.02.2014", "AFP", f"u/{i}"]
            )
        writer.writerow(["Une dépêche numéro zyx05", "Une suite zyx05 tout autre", "", "", ""])
        writer.writerow(["La neige, autre titre", "Corps alpha6 beta6 zyx06 gamma6", "", "", ""])
        writer.writerow(["Un titre sans rien", "Il neige sur la baleine zyx99", "", "", ""])
        writer.writerow(["court", "Un article sous un titre trop court", "", "", ""])
    return path
