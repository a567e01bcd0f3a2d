"""What is said at home for figures and signs, and what holds for whatever is written."""

# ruff: noqa: RUF001 - other scripts' marks on purpose

from collections import Counter
from pathlib import Path
import re
import time

from hypothesis import given, strategies as st
import pytest

from indextts_daemon.text.cleaning import has_words
from indextts_daemon.text.household import read_aloud
from indextts_daemon.text.household.kept import SYLLABLES
from tests.daemon.text_compare import Golden, golden

LANGUAGES = st.sampled_from(["en", "zh"])
KINDS = (
    "time date duration temperature unit slash percent energy money phone code ordinal model range"
    " negative decimal thousands fraction score version address year dimension symbol room entity"
)
ANNOTATION = re.compile(r"<[^<>|\n]{1,64}\|[^<>|\n]{1,64}>")
TONED = re.compile(r"(?<![A-Za-z0-9])([a-z]{2,6}|[A-Z]{2,6})[1-5](?![A-Za-z0-9])")


@pytest.mark.parametrize("sentence", [*golden("en"), *golden("zh")], ids=lambda one: one.written)
def test_a_house_reads_it_so(sentence: Golden) -> None:
    assert read_aloud(sentence.written, sentence.language) == sentence.spoken


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_is_there_at_least_twice(language: str) -> None:
    kinds = Counter(sentence.kind for sentence in golden(language))
    assert kinds.total() >= 60
    assert min(kinds.values()) >= 2
    assert kinds.keys() >= set(KINDS.split())


MORE = {
    "en": {
        "It's 0:15, not 24:00.": "It's twelve fifteen AM, not midnight.",
        "From 9:00-17:00 or 8-10 AM.": "From nine o'clock to seventeen hundred or eight to ten AM.",
        "It ends at 7 p.m.": "It ends at seven PM.",
        "Seen 2026-11-20T18:05:07.12+00:00.": (
            "Seen November twentieth, twenty twenty six, eighteen oh five."
        ),
        "On 11/20/2026, not on 20/11.": (
            "On November twentieth, twenty twenty six, not on November twentieth."
        ),
        "The 90s and the 1880s.": "The nineties and the eighteen eighties.",
        "12°C-18°C, then -5--2 °C": (
            "twelve to eighteen degrees Celsius, then minus five to minus two degrees Celsius"
        ),
        "70F outside, 21.5C inside": (
            "seventy degrees Fahrenheit outside, twenty one point five degrees Celsius inside"
        ),
        "An 8 GB card, a 20-min walk, 1 kg": (
            "An eight gigabyte card, a twenty minute walk, one kilogram"
        ),
        "CO₂ 5℃ ½ m² ①": "C O two five degrees Celsius one half of a square meter one",
        "9,99 € and $1.2M": "nine euros and ninety nine cents and one point two million dollars",
        "7/10, 120/80, 2/3": "seven out of ten, one hundred twenty over eighty, two thirds",
        "2020-2024, 2^10, 5²": "twenty twenty to twenty twenty four, two to the ten, five squared",
        "10 / 2 = 5": "ten divided by two equals five",
        "7 × 8 = 56, 10 - 3 = 7": (
            "seven times eight equals fifty six, ten minus three equals seven"
        ),
        "Room 5A, 5 A, ESP8266, H.264, 1080p": (
            "Room five A, five amps, ESP eighty two sixty six, H two sixty four, ten eighty p"
        ),
        "light.kitchen is at kitchen.local": "light kitchen is at kitchen dot local",
        "C++, A+, 3x a day": "C plus plus, A plus, three times a day",
        "1,2,3 and 007": "one, two, three and zero zero seven",
        "He is 5'10\" tall": "He is five foot ten tall",
        "CO2 > 1000 ppm, <20%, >= 5 kWh, ≤ $5, ≈ 3 h": (
            "C O two more than one thousand parts per million, less than twenty percent,"
            " at least five kilowatt hours, at most five dollars, about three hours"
        ),
        "2~3 days, about ~20 minutes, ~5 min, 20 -> 22 °C": (
            "two to three days, about twenty minutes, about five minutes,"
            " twenty to twenty two degrees Celsius"
        ),
        "9am-5pm, 9 am - 5 pm, 9:15~10:30": (
            "nine AM to five PM, nine AM to five PM, nine fifteen to ten thirty"
        ),
        "On 3/4, Mon 11/23, due 23/11, Fri 12/5 at 3pm": (
            "On March fourth, Mon November twenty third, due November twenty third,"
            " Fri December fifth at three PM"
        ),
        "12-5-2026, 3/4/26, 3.4.2026, by 13/13": (
            "December fifth, twenty twenty six, March fourth, twenty twenty six,"
            " April third, twenty twenty six, by thirteen out of thirteen"
        ),
        "Oven timer 0:45, remaining: 0:05, 0:30 left, takes 1:45 h.": (
            "Oven timer forty five minutes, remaining: five minutes, thirty minutes left,"
            " takes one hour forty five minutes."
        ),
        "Timer set for 7:30 pm, it ends at 6:45": (
            "Timer set for seven thirty PM, it ends at six forty five"
        ),
        "Call 1-800-555-1234 or 9-1-1.": (
            "Call one, eight oh oh, five five five, one two three four or nine one one."
        ),
        "Call 0800 123 4567. 415.555.2671": (
            "Call oh eight oh oh, one two three, four five six seven."
            " four one five, five five five, two six seven one"
        ),
        "ZIP 94103, ID: 12345, port 8123, code 12-34": (
            "ZIP nine four one zero three, ID: one two three four five,"
            " port eight one two three, code one two, three four"
        ),
        "2215 W 14th St, 500 W Broadway, 25 A Street, 100 W": (
            "two thousand two hundred fifteen W fourteenth St, five hundred W Broadway,"
            " twenty five A Street, one hundred watts"
        ),
        "MP3s, 80s music, in his 30s, the 80s and 90s. Wait 30s": (
            "MP threes, eighties music, in his thirties, the eighties and nineties."
            " Wait thirty seconds"
        ),
        "5m ago, timer 5m, in 300m, at 7.30 pm": (
            "five minutes ago, timer five minutes, in three hundred meters, at seven thirty PM"
        ),
        'A 65" screen, 5 ft 3 in': "A sixty five inches screen, five feet three inches",
        "3 in of rain, 3 in the oven": "three inches of rain, three in the oven",
        "Say \"channel 5\", 5' 10\"": 'Say "channel five", five foot ten',
        "Bake at 350F. I said no. 3 people": (
            "Bake at three hundred fifty degrees Fahrenheit. I said no. three people"
        ),
        "50/50, 20/20, 5/5, 32¢/kWh, 2 yrs": (
            "fifty fifty, twenty twenty, five out of five, thirty two cents per kilowatt hour,"
            " two years"
        ),
        "$5 Küche, 5 Küche, 3 Männer, 2 größer": (
            "five dollars Küche, five Küche, three Männer, two größer"
        ),
        "Part I like, Part I. Louis XIV": "Part I like, Part one. Louis the fourteenth",
    },
    "zh": {
        "气温12°C~18°C": "气温十二到十八摄氏度",
        "会议9:00-17:00，０:30结束": "会议九点到十七点，零点三十分结束",
        "6：45、2点05分、2点半": "六点四十五分、两点零五分、两点半",
        "90年代、1990年代、5年": "九十年代、一九九零年代、五年",
        "2月2日2号2楼有2个人": "二月二日二号二楼有两个人",
        "102个、200、2000、1010、100000": "一百零二个、两百、两千、一千零一十、十万",
        "¥1.5万、150万元、$2": "一点五万元、一百五十万元、两美元",
        "-5%、2%、0.05": "负百分之五、百分之二、零点零五",
        "电话010-62345678，400-800-8888": "电话零幺零，六二三四五六七八，四零零，八零零，八八八八",
        "时速120km/h，网速250 Mbps": "时速一百二十公里，网速每秒两百五十兆比特",
        "CO₂、NO2、H2O、A4纸、1080P": "二氧化碳、二氧化氮、H二O、A四纸、一零八零P",
        "3×4=12，10-3=7，5²，2^10": "三乘四等于十二，十减三等于七，五的平方，二的十次方",
        "湿度>60%，电量≤20%，气温>-5度，约~20分钟": (
            "湿度大于百分之六十，电量小于等于百分之二十，气温大于负五度，约二十分钟"
        ),
        "10~15分钟，15~22度，2~3个，3~4级，5~8折": (
            "十到十五分钟，十五到二十二度，两到三个，三到四级，五到八折"
        ),
        "上午9点-11点，9点~10点，8时-10时，9点半-下午5点": (
            "上午九点到十一点，九点到十点，八时到十时，九点半到下午五点"
        ),
        "11月23日-25日，零下-3度，12月-5°": "十一月二十三日到二十五日，零下三度，十二月零下五度",
        "15栋2单元301，5单元1201，2元": "十五栋二单元三零一，五单元一二零一，两元",
        "3:30 AM、7:30 AM、3:30 PM": "凌晨三点三十分、上午七点三十分、下午三点三十分",
        "剩余2:30，还剩：0:05，晚上10:30分": "剩余两小时三十分钟，还剩：五分钟，晚上十点三十分",
        "今天是11/23，周二11/24": "今天是十一月二十三日，周二十一月二十四日",
        "021-5555 6666，取件码是8-2-3041": "零二幺，五五五五，六六六六，取件码是八，二，三零四一",
        "卡号6222 0212 3456 7890": "卡号六二二二，零二幺二，三四五六，七八九零",
        "房间1208，尾号1234，邮编100000，京A12345": (
            "房间一二零八，尾号一二三四，邮编一零零零零零，京A一二三四五"
        ),
        "12345热线，315晚会，K123次，85年出生，90后": (
            "幺二三四五热线，三一五晚会，K一二三次，八五年出生，九零后"
        ),
        "2封，2辆，2吨，D2次，B2口，2单元": "两封，两辆，两吨，D二次，B二口，二单元",
        "0.56元/度，62次/分，10W人": "零点五六元每度，六十二次每分，十万人",
        "200%，2%，50¢": "百分之二百，百分之二，五十美分",
        "７:30 PM、12:10 AM": "晚上七点三十分、凌晨十二点十分",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("language", "written"), [(code, text) for code, texts in MORE.items() for text in texts]
)
def test_it_is_read_as_people_say_it(language: str, written: str) -> None:
    assert read_aloud(written, language) == MORE[language][written]


@pytest.mark.parametrize("language", ["de", "ja", "xx", "yue", ""])
def test_languages_without_rules_are_read_as_they_are_written(language: str) -> None:
    assert read_aloud("Um 6:45 Uhr, 21.5 °C & CO2", language) == "Um 6:45 Uhr, 21.5 °C & CO2"


def test_regions_share_their_languages_rules() -> None:
    assert read_aloud("6:45", "en-GB") == "six forty five"
    assert read_aloud("6:45", "zh-CN") == "六点四十五分"


@pytest.mark.parametrize("language", ["en-GB", "en-AU", "en-IE"])
def test_the_day_comes_first_outside_america(language: str) -> None:
    assert read_aloud("on 3/4", language) == "on April third"
    assert read_aloud("3/4/2026", language) == "April third, twenty twenty six"
    assert read_aloud("3/4/2026", "en-US") == "March fourth, twenty twenty six"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "<word|W ER1 D> and <重|CHONG2>"),
        ("zh", "<重|CHONG2>、<word|W ER1 D>"),
        ("zh", "xuan4、ZHANG3、lü4。"),
    ],
)
def test_what_is_for_the_engine_to_pronounce_is_kept(language: str, text: str) -> None:
    assert read_aloud(text, language) == text


@pytest.mark.parametrize(
    "syllable", ["xing", "zhuang", "nüe", "lve", "er", "weng", "qiong", "shei"]
)
def test_real_syllables_are_known(syllable: str) -> None:
    assert syllable in SYLLABLES


@pytest.mark.parametrize("syllable", ["a", "fi", "bong", "wi", "usb", "cat", "vi", "kiang", "mp"])
def test_what_nobody_says_in_mandarin_is_no_syllable(syllable: str) -> None:
    assert syllable not in {one for one in SYLLABLES if len(one) > 1}


def test_what_only_looks_like_pinyin_is_read() -> None:
    assert read_aloud("A4、USB3、CO2、xuan9、Xuan4、zhang34", "zh") == (
        "A四、USB三、二氧化碳、xuan九、Xuan四、zhang三十四"
    )
    assert read_aloud("xuan4", "en") == "xuan four"


WORDS = "kitchen Anna lamp über Straße you're window-cleaner Küche 厨房 灯".split()  # noqa: SIM905
WORD = st.sampled_from(WORDS)
SOUP = st.lists(
    st.sampled_from(
        [
            *"0123456789" * 2,
            *".,:;/-–—+=*×%°$€£¥#@&_^~<>|()'\"!?，。：→≥年月日点分第号个度元万²³½①９٣㎡％\u2212",
            *("km", "kW", "CO", "PM", "am", " h", "m", "s", "C", "F", "v", "th", "x", "X", "IV"),
            *("Nov ", "Part ", "call ", "code ", "sensor.", ".com", "xuan", "US$", "a ", " to "),
            *("192.168.1.1", "2026-11-20", "18:05", "1,250", "3/4", "<重|A1>", " ", " "),
        ]
    ),
    max_size=30,
).map("".join)
TEXT = SOUP | st.text(max_size=80)


@given(TEXT, LANGUAGES)
def test_no_digit_is_left_over(text: str, language: str) -> None:
    left = ANNOTATION.sub("", read_aloud(text, language))
    if language == "zh":
        left = TONED.sub(lambda one: "" if one[1].lower() in SYLLABLES else one[0], left)
    assert not [character for character in left if character.isdigit()]


@given(
    st.sampled_from(["<", "< ", ">", "> ", "≤", "≥ ", "≈", "~", "<=", ">= ", "-> "]),
    st.sampled_from(["", "-", "$", "€"]),
    st.decimals(0, 10**6, places=1).map(str) | st.integers(0, 10**6).map(str),
    st.sampled_from(["", "%", " ppm", "°C", " kWh", "/3", ":30", "分钟", "个"]),
    LANGUAGES,
)
def test_no_mark_is_left_beside_a_figure(
    mark: str, sign: str, number: str, unit: str, language: str
) -> None:
    said = read_aloud(f"lamp {mark}{sign}{number}{unit} Anna", language)
    assert not set("<>≤≥≈~=$€%/°") & set(said)


@given(TEXT, LANGUAGES)
def test_reading_again_changes_nothing(text: str, language: str) -> None:
    once = read_aloud(text, language)
    assert read_aloud(once, language) == once


@given(st.lists(WORD, min_size=1).map(" ".join), LANGUAGES)
def test_words_are_read_as_they_are_written(text: str, language: str) -> None:
    assert read_aloud(text, language) == text


@given(st.lists(st.tuples(WORD, SOUP), min_size=1, max_size=6), LANGUAGES)
def test_no_word_is_lost(parts: list[tuple[str, str]], language: str) -> None:
    said = read_aloud(" ".join(f"{word} {soup}" for word, soup in parts), language)
    place = 0
    for word, _ in parts:
        assert word in said[place:]
        place = said.index(word, place) + len(word)


@given(st.lists(st.integers(0, 10**17).map(str), min_size=1, max_size=4), LANGUAGES)
def test_every_number_is_said(numbers: list[str], language: str) -> None:
    said = read_aloud(" lamp ".join(numbers), language)
    assert all(has_words(one) for one in said.split("lamp"))
    assert len(said.split("lamp")) == len(numbers)


HOSTILE = (
    "1", "1.", "1,1", "1,111,", "1:11:", "1/2", "1-1", "+1 ", "+1 23 ", "0 12 ", "1x", "1h1m", "1 ",
    "$1", "€1-€", "°1", "a1", "#1", "No. ", "v1.", "1.1.1b", "192.168.1.1:", "_", "sensor.a_", "a.",
    "^1", "½", "km/", "Nov 1, ", "call 1", "code is ", "Part I", "Henry X", "<a|", "<重|A1>",
    "xuan", "4xuan", "1年", "第1", "密码1", "比分1:", "between 1-", "2026-", "11:11-", "8 - ",
    "时速1", "1 L-", "5'1", "5' 1", '1"', ">1", "1~", "1-2-", "call 1-1 ", "80s ", "80s, ", "1点-",
    "1个~", "timer 1:1", "on 1/1", "1111 ", "1 ft ", "卡号1-",
)  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_work_grows_with_the_length_and_not_with_its_square(language: str, unit: str) -> None:
    def seconds(length: int) -> float:
        begun = time.process_time()
        read_aloud(unit * (length // len(unit)), language)
        return time.process_time() - begun

    assert seconds(16_000) < 100 * max(seconds(1_000), 0.001)  # its square would be 256 times


def test_the_tables_are_data() -> None:
    folder = Path(__file__).parent / "text_golden"
    assert {file.name for file in folder.iterdir()} == {"en.tsv", "zh.tsv"}
