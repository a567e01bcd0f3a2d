"""The units of a house: how they are written, and their names in English and Chinese."""

# ruff: noqa: RUF001 - a right quotation mark is an apostrophe

from dataclasses import dataclass

from .notation import any_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a unit is called, for one and for many."""

    one: str
    many: str
    chinese: str  # the number goes to the star


# Written | English for one | for many, if not just an s | Chinese, the number first or at the star
_TABLE = """
mm|millimeter||毫米
cm|centimeter||厘米
dm|decimeter||分米
m|meter||米
km|kilometer||公里
ft|foot|feet|英尺
yd|yard||码
mi|mile||英里
mm^2|square millimeter||平方毫米
cm^2 cm2|square centimeter||平方厘米
m^2 m2|square meter||平方米
km^2 km2|square kilometer||平方公里
ft^2 ft2 sqft|square foot|square feet|平方英尺
ha|hectare||公顷
cm^3 cm3|cubic centimeter||立方厘米
m^3 m3|cubic meter||立方米
ml mL|milliliter||毫升
cl cL|centiliter||厘升
dl dL|deciliter||分升
l L|liter||升
gal|gallon||加仑
oz|ounce||盎司
tbsp|tablespoon||汤匙
tsp|teaspoon||茶匙
µg ug|microgram||微克
mg|milligram||毫克
g|gram||克
kg|kilogram||公斤
t|ton||吨
lb lbs|pound||磅
mph|mile per hour|miles per hour|每小时*英里
kph kmh|kilometer per hour|kilometers per hour|每小时*公里
kn|knot||节
mmol|millimole||毫摩尔
ppm|part per million|parts per million|PPM
ppb|part per billion|parts per billion|PPB
Pa|pascal||帕
hPa|hectopascal||百帕
kPa|kilopascal||千帕
mbar|millibar||毫巴
bar|bar|bar|巴
psi|PSI|PSI|PSI
mmHg|millimeter of mercury|millimeters of mercury|毫米汞柱
inHg|inch of mercury|inches of mercury|英寸汞柱
dB|decibel||分贝
dBA dB(A)|A-weighted decibel||A计权分贝
dBm|D B M|D B M|DBM
lx lux|lux|lux|勒克斯
lm|lumen||流明
cd|candela||坎德拉
mW|milliwatt||毫瓦
W|watt||瓦
kW KW|kilowatt||千瓦
MW|megawatt||兆瓦
GW|gigawatt||吉瓦
Wp|watt peak|watts peak|峰瓦
kWp|kilowatt peak|kilowatts peak|千瓦峰
VA|volt ampere||伏安
kVA|kilovolt ampere||千伏安
Wh|watt hour||瓦时
kWh KWh kwh|kilowatt hour||千瓦时
MWh|megawatt hour||兆瓦时
mV|millivolt||毫伏
V|volt||伏
kV|kilovolt||千伏
mA|milliamp||毫安
A|amp||安
mAh|milliamp hour||毫安时
Ah|amp hour||安时
Ω ohm|ohm||欧姆
kΩ|kilohm||千欧
J|joule||焦耳
kJ|kilojoule||千焦
kcal|kilocalorie||千卡
BTU|B T U|B T U|BTU
Hz|hertz|hertz|赫兹
kHz|kilohertz|kilohertz|千赫
MHz|megahertz|megahertz|兆赫
GHz|gigahertz|gigahertz|吉赫
kB KB|kilobyte||KB
MB|megabyte||MB
GB|gigabyte||GB
TB|terabyte||TB
KiB|kibibyte||KB
MiB|mebibyte||MB
GiB|gibibyte||GB
TiB|tebibyte||TB
kbit|kilobit||千比特
Mbit|megabit||兆比特
Gbit|gigabit||吉比特
kbps Kbps|kilobit per second|kilobits per second|每秒*千比特
Mbps|megabit per second|megabits per second|每秒*兆比特
Gbps|gigabit per second|gigabits per second|每秒*吉比特
px|pixel||像素
fps FPS|frame per second|frames per second|每秒*帧
bpm|beat per minute|beats per minute|每分钟*次
rpm RPM|revolution per minute|revolutions per minute|每分钟*转
µs|microsecond||微秒
ms|millisecond||毫秒
s sec secs|second||秒
min mins|minute||分钟
h hr hrs|hour||小时
°C|degree Celsius|degrees Celsius|摄氏度
°F|degree Fahrenheit|degrees Fahrenheit|华氏度
°K|kelvin|kelvin|开尔文
°|degree||度
¢|cent||美分
yrs|year||年
wks|week||周
qt qts|quart||夸脱
%|percent|percent|百分之*
‰|per mille|per mille|千分之*
"""
_BASES_ONLY = """
second|second||秒
s^2 s2|second squared||平方秒
minute|minute||分钟
hour|hour||小时
d day|day||天
night|night||晚
week wk|week||周
month mo|month||月
year yr|year||年
person|person||人
piece pc|piece||件
"""


def _units(table: str) -> dict[str, Unit]:
    units = {}
    for line in table.strip().splitlines():
        written, one, many, chinese = line.split("|")
        unit = Unit(
            one=one, many=many or f"{one}s", chinese=chinese if "*" in chinese else f"*{chinese}"
        )
        units.update(dict.fromkeys(written.split(), unit))
    return units


UNITS = _units(_TABLE)
BASES = UNITS | _units(_BASES_ONLY)  # what something may be per
_END = r"(?![A-Za-z0-9\u00c0-\u024fµ^'’])"
UNIT = rf"(?P<unit>{any_of(UNITS)})(?:/(?P<per>{any_of(BASES)}))?{_END}"
PER = rf"/(?P<per>{any_of(BASES)}){_END}"
_PERIOD = any_of(
    ("h", "s", "s^2", "s2", "min", "day", "m^3", "m3", "m^2", "m2", "kWh", "L", "l", "km")
)
BARE_UNIT = (
    rf"(?<![\w/.'’^-])(?P<unit>{any_of(UNITS)})(?:/(?P<per>{_PERIOD})|(?<=\^[23])(?P<no>)){_END}"
)
