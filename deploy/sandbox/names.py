"""Made-up names from which a sandbox district's people, schools and courses are drawn. Nobody real is meant."""

# Word lists read best as words: a literal list of them would be a page of quotes.
# ruff: noqa: SIM905

import unicodedata

GIVEN = tuple(
    """
    Amara Amélie Ana Anaïs Anika Arjun Asha Aoife Beatriz Björn Brooke Bruno Caleb Camila Carlos Chidi Chloé Clara Dalia
    Daniel Darius Diego Dmitri Eleni Elif Elías Emeka Emma Esmé Ewa Ezra Fatima Felix Fiona Françoise Gabriel Gia Greta
    Hana Hannah Hiro Hugo Ibrahim Ichiro Imani Inés Ingrid Isaac Jada Jakob Jamal Jing José Juniper Kaito Kamala Keiko
    Kofi Laila Lars Léa Leilani Lena Liam Linh Łucja Luca Lucía Magnus Malik María Mateo Maya Mei Mila Miriam Naomi Nia
    Niamh Noah Noé Nur Oliver Olu Omar Óscar Otto Paloma Pedro Petra Priya Quinn Rafael Renée Rohan Rosa Ruth Sabine
    Salma Samuel Saoirse Selam Siobhán Sofía Søren Taro Tariq Thandi Theo Thảo Tomás Uma Valentina Vera Viktor Wanjiru
    Willa Xavier Ximena Yara Yusuf Zainab Zeynep Zoë Zuri Åsa 美咲 지우 Анна
    """.split()
)

FAMILY = tuple(
    """
    Abara Abbott Achterberg Adeyemi Ahlström Almeida Álvarez Anand Andersson Aoki Aranda Asante Baptiste Barros Becker
    Belmont Bergström Bianchi Boateng Brandt Bright Brûlé Cabrera Calloway Castañeda Chandra Chaudhry Chen Cho Cisneros
    Clarke Contreras Cruz Dąbrowski D'Angelo Delacroix Demir Diallo Dietrich Duarte Dubois Eriksen Esparza Espinoza
    Fairweather Farouk Fernández Fiore Fitzgerald Foster Fujita Gallagher García Gómez Greenleaf Grünwald Guerrero
    Haddad Halvorsen Hargrove Hashimoto Hayes Herrera Hoàng Holloway Ibáñez Iyer Jablonski Jansen Jiménez Kapoor
    Karlsson Kaya Keane Khalil Kim Kimura Kowalczyk Krishnan Lachance Larsen Lehmann Lê Lindqvist Lopes López
    Lund MacLeod Maldonado Marchetti Mbeki McAllister Mehta Mendoza Moreau Morgenstern Mwangi Müller Nakamura Navarro
    N'Diaye Nguyễn Nowak Núñez O'Brien O'Connell Okafor Okonkwo Olsen Ortega Osei Özdemir Pacheco Park Patel Peña
    Pereira Petrov Pham Quiñones Ramírez Rasmussen Reyes Richter Rivera Rojas Romero Rossi Ruiz Saito Salazar Santos
    Schäfer Schmidt-Rodríguez Seo Silva Sørensen Stone Suárez Takahashi Tanaka Thibault Torres Trần Underwood Vance
    Vargas Vásquez Villanueva Voss Wójcik Walker Weber Whitfield Winterbourne Wren Yamada Yıldız Young Zamora Zhang
    Zieliński
    """.split()
)

SCHOOL_NAMES = tuple(
    name.replace("_", " ")
    for name in """
    Alder Aspen Birch Blue_Heron Cedar Chestnut Clearwater Cottonwood Dogwood Eagle_Ridge Elm Fox_Hollow Granite
    Harbor Hawthorn Hazel Hickory Juniper Kestrel Lakeview Larkspur Laurel Linden Magnolia Maple Meadow Mesa_Verde
    Millbrook Northgate Oak Orchard Otter_Creek Palmetto Piñon Poplar Prairie Quail_Run Redwood Rosewood Sage
    Sequoia Spruce Stonebridge Sycamore Tamarack Valley Walnut Willow
    """.split()
)
SCHOOL_LEVELS = ("Elementary School", "Middle School", "High School")

SUBJECTS = (
    ("English", "english/language arts"),
    ("Mathematics", "math"),
    ("Science", "science"),
    ("Social Studies", "social studies"),
    ("Español", "language"),
    ("Advisory", "homeroom/advisory"),
    ("Technology", "technology and engineering"),
    ("Physical Education", "PE and health"),
    ("Art & Music", "arts and music"),
)
"""Course names with Clever's word for their subject."""


def ascii_of(name: str) -> str:
    """Give the name's lower-case ASCII letters, as an address would spell it; `person` where none are left."""
    folded = unicodedata.normalize("NFKD", name.replace("ı", "i").replace("ø", "o").replace("Ø", "O").replace("Ł", "L"))
    letters = "".join(letter for letter in folded if letter.isascii() and letter.isalpha())
    return letters.lower() or "person"


GIVEN_ASCII = tuple(ascii_of(name) for name in GIVEN)
