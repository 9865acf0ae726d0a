import gzip

import pytest

from e5demo.data.reading import CsvFormat, guess_columns, preview, read_table
from e5demo.errors import (
    EmptyFile,
    FileMissing,
    LongRows,
    MarkupFile,
    MissingColumns,
    NotACsv,
    OneColumn,
    UndecodableText,
    UnknownEncoding,
    UnpacksTooLarge,
    UnreadableGzip,
)

ROWS = [("Titre", "Contenu", "Agency"), ("L'été, à Sète", "Un « article »; avec | tout", "AFP")]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def line(cells, delimiter):
    return delimiter.join(f'"{cell}"' for cell in cells) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_finds_delimiter_and_encoding(tmp_path, delimiter, encoding):
    text = line(ROWS[0], delimiter) + line(ROWS[1], delimiter) * 3
    table = read_table(write(tmp_path / "news.csv", text, encoding))
    assert table.format == CsvFormat(delimiter, encoding)
    assert table.frame.iloc[0].tolist() == list(ROWS[1])
    assert (table.columns.query, table.columns.passage) == ("Titre", "Contenu")


def test_reads_gzip_and_counts_lines_with_too_many_fields(tmp_path):
    path = tmp_path / "news.csv.gz"
    path.write_bytes(gzip.compress(b"title,text\na,b\na,b,c,d\nc,d\n"))
    table = read_table(path)
    assert len(table.frame) == 2
    assert table.bad_lines == 1


def test_line_breaks_inside_quotes_stay_in_the_cell(tmp_path):
    path = write(tmp_path / "n.csv", 'title,text\n"un","deux\ntrois"\n"quatre","cinq"\n')
    assert read_table(path).frame["text"].tolist() == ["deux\ntrois", "cinq"]


def test_a_sample_that_ends_inside_a_character_is_still_utf8(tmp_path, monkeypatch):
    text = "title,text\n" + "é,è\n" * 50
    cut = len(b"title,text\n") + 1
    monkeypatch.setattr("e5demo.data.reading.SNIFFED_BYTES", cut)
    assert read_table(write(tmp_path / "n.csv", text)).format.encoding == "utf-8"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptyFile),
        (b"  \n\n", EmptyFile),
        (b"title,text\n", EmptyFile),
        (b"\x89PNG\0\0\0", NotACsv),
        (b"<!doctype html><html><body>no table</body></html>", NotACsv),
        (b"title\nun\ndeux\n", OneColumn),
        (b"a,b\n1,2\n", MissingColumns),
    ],
)
def test_a_bad_file_has_its_own_error(tmp_path, content, error):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(error, match="bad.csv"):
        read_table(path)


def test_one_column_of_prose_is_not_split_on_a_letter_or_comma(tmp_path):
    path = write(tmp_path / "n.csv", "texte\nun, deux\ntrois\nquatre, cinq, six\n")
    with pytest.raises(OneColumn):
        read_table(path)


def test_a_gzip_that_unpacks_to_more_than_memory_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("e5demo.data.reading.MOST_UNPACKED", 3 << 20)
    path = tmp_path / "news.csv.gz"
    text = line(ROWS[0], ",") + line(ROWS[1], ",") * 40_000
    for rows, allowed in ((text, True), (text * 2, False)):
        path.write_bytes(gzip.compress(rows.encode()))
        if allowed:
            assert len(read_table(path).frame) == 40_000
        else:
            with pytest.raises(UnpacksTooLarge, match="news.csv.gz unpacks to more than"):
                read_table(path)


def test_utf_16_without_its_first_bytes_is_said(tmp_path):
    text = "Titre,Contenu\n" + "abcd,efgh\n" * 4
    with pytest.raises(UndecodableText, match="utf-16"):
        read_table(write(tmp_path / "news.csv", text), encoding="utf-16")


def test_missing_file_broken_gzip_and_encodings(tmp_path):
    with pytest.raises(FileMissing):
        read_table(tmp_path / "none.csv")
    broken = tmp_path / "n.csv.gz"
    broken.write_bytes(gzip.compress(b"title,text\na,b\n" * 500)[:40])
    with pytest.raises(UnreadableGzip):
        read_table(broken)
    broken.write_bytes(b"title,text\n")
    with pytest.raises(UnreadableGzip):
        read_table(broken)
    path = write(tmp_path / "n.csv", "titre,texte\né,è\n", "cp1252")
    assert read_table(path).frame.iloc[0, 1] == "è"  # its last letter alone is no UTF-8
    with pytest.raises(UnknownEncoding):
        read_table(path, encoding="klingon")
    with pytest.raises(UndecodableText, match="byte"):
        read_table(path, encoding="utf-8")


def test_columns_are_guessed_by_name_and_can_be_chosen(tmp_path):
    guess = guess_columns(["Numero", "Date (dd.mm.yyyy)", "Titre", "Contenu", "Agency", "URL"])
    assert guess == {
        "query": "Titre",
        "passage": "Contenu",
        "date": "Date (dd.mm.yyyy)",
        "agency": "Agency",
        "url": "URL",
    }
    path = write(tmp_path / "n.csv", "a,b,c\n1,2,3\n")
    table = read_table(path, columns={"query": "c", "passage": "a"})
    assert (table.columns.query, table.columns.passage) == ("c", "a")
    with pytest.raises(MissingColumns, match="zut"):
        read_table(path, columns={"query": "zut", "passage": "a"})


def test_a_preview_is_the_first_rows_whatever_the_columns_are_called(tmp_path):
    rows = "".join(f"é{i};b,{i}\n" for i in range(7))
    path = write(tmp_path / "n.csv", "a;b\n" + rows, "cp1252")
    found, head = preview(path)
    assert found == CsvFormat(";", "cp1252")
    assert list(head.columns) == ["a", "b"]
    assert head["a"].tolist() == ["é0", "é1", "é2", "é3", "é4"]
    assert len(preview(path, rows=2)[1]) == 2


def test_a_preview_obeys_and_may_have_one_column_but_refuses_an_empty_file(tmp_path):
    path = write(tmp_path / "n.csv", "a;b\né;è\n")
    found, head = preview(path, delimiter=",", encoding="cp1252")
    assert found == CsvFormat(",", "cp1252")
    assert head.to_dict("list") == {"a;b": ["Ã©;Ã¨"]}
    with pytest.raises(UndecodableText):
        preview(write(tmp_path / "n.csv", "a;b\né;è\n", "cp1252"), encoding="utf-8")
    with pytest.raises(EmptyFile):
        preview(write(tmp_path / "n.csv", ""))


def test_a_first_row_longer_than_the_header_is_skipped_and_counted(tmp_path):
    path = write(tmp_path / "n.csv", "title,text\na,b,extra\nc,d\ne,f,g,h\ni,j,\n")
    table = read_table(path)
    assert table.frame["title"].tolist() == ["c", "i"]
    assert table.bad_lines == 2


def test_headers_that_differ_by_spaces_stay_apart(tmp_path):
    path = write(tmp_path / "n.csv", "Titre, Titre,Contenu\na,b,c\n")
    table = read_table(path)
    assert list(table.frame.columns) == ["Titre", "Titre (2)", "Contenu"]
    assert table.columns.query == "Titre"


def test_all_rows_longer_than_the_header_is_said(tmp_path):
    path = write(tmp_path / "n.csv", "title,text\n" + "a,b,c\n" * 3)
    with pytest.raises(LongRows, match="All 3 rows"):
        read_table(path)


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;;\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_excels_line_that_names_the_delimiter_is_obeyed(tmp_path, first, encoding):
    text = first + line(ROWS[0], ";") + line([*ROWS[1], "un, deux", "trois"], ";") + "a;b;c\n"
    path = write(tmp_path / "news.csv", text, encoding)
    table = read_table(path)
    assert (table.format.delimiter, table.bad_lines) == (";", 1)
    assert table.frame.to_dict("list") == {"Titre": ["a"], "Contenu": ["b"], "Agency": ["c"]}
    assert preview(path, rows=1)[1].columns.tolist() == list(ROWS[0])


def test_json_on_one_line_is_no_csv(tmp_path):
    with pytest.raises(MarkupFile):
        read_table(write(tmp_path / "n.csv", '[{"titre": "un", "texte": "deux"}]'))


def test_utf_16_as_excel_writes_it_and_a_gz_in_capitals(tmp_path):
    text = "Titre\tContenu\nL'été\tà Sète\n"
    table = read_table(write(tmp_path / "n.txt", text, "utf-16"))
    assert table.format == CsvFormat("\t", "utf-16")
    assert table.frame.iloc[0].tolist() == ["L'été", "à Sète"]
    packed = tmp_path / "N.CSV.GZ"
    packed.write_bytes(gzip.compress(b"title,text\na,b\n"))
    assert len(read_table(packed).frame) == 1
