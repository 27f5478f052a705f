"""E-mail and web addresses, car plates, dates of birth, postal addresses: what is found by its form."""

# ruff: noqa: E501 (patterns read better whole, and Hangul counts twice)
from __future__ import annotations

import re
from typing import Final

from include.redaction.hits import Hit, Kind, compact

__all__ = ["find_patterns"]

_DIGIT = "[0-9공영일이삼사오육륙칠팔구]"
_COUNT = rf"(?:{_DIGIT}|[십백천])"
_PLATE_SIGNS = "가나다라마거너더러머버서어저고노도로모보소조구누두루무부수우주아바사자하허호배"
_REGION = (
    "서울특별시|서울시|서울|부산광역시|부산시|부산|대구광역시|대구시|대구|인천광역시|인천시|인천|광주광역시|광주시|광주|대전광역시|대전시|대전"
    "|울산광역시|울산시|울산|세종특별자치시|세종시|경기도|경기|강원특별자치도|강원도|강원|충청북도|충북|충청남도|충남|전북특별자치도|전라북도|전북"
    "|전라남도|전남|경상북도|경북|경상남도|경남|제주특별자치도|제주도|제주시|제주"
)
_SEOUL = (
    "강남|강동|강북|강서|관악|광진|구로|금천|노원|도봉|동대문|동작|마포|서대문|서초|성동|성북|송파|양천|영등포|용산|은평|종로|중랑"
    "|해운대|수영|사하|금정|연제|사상|기장|수성|달서|미추홀|연수|남동|부평|계양|유성|대덕|분당|수정|중원|권선|영통|장안|팔달|단원|상록|일산동|일산서|덕양"
)
_AREA = (
    rf"[가-힣]{{1,6}}(?:시|군)|(?:{_SEOUL}|[동서남북중])구|[가-힣]{{2,5}}(?:읍|면)|[가-힣]{{1,6}}[0-9]?동(?:[0-9]가)?"
)
_HOUSE = rf"(?:지하\s?)?{_COUNT}++(?:\s?(?:-|다시|의)\s?{_COUNT}++)?(?!\s?(?:만|원|명|개|억|시간|분|달러|년))"
_UNIT = rf"{_COUNT}+\s?동\s?{_COUNT}+\s?호"
_STREET = r"(?<![가-힣])(?![가-힣]*으로\s)(?![가-힣]*(?:계좌|카드|전화|번호)로)(?!으로|서로|별로|도로|새로|바로|따로|진짜로|그대로|스스로|실제로)[가-힣]{1,7}[0-9]{0,3}(?:대로|로|길)"
_BUILDING = r"[가-힣A-Za-z]{1,10}\s?(?:아파트|빌라|오피스텔|맨션|빌딩|타워|자이|래미안|푸르지오|힐스테이트|아이파크|고시원|원룸)"
_TAIL = rf"(?:\s?,?\s?(?:{_BUILDING}|{_UNIT}|{_COUNT}+\s?호(?![가-힣])|{_COUNT}+\s?층))*"
_DATE = r"(?:(?:19|20)?[0-9]{2}\s?(?:[-./]|년)\s?[0-9]{1,2}\s?(?:[-./]|월)\s?[0-9]{1,2}(?:\s?일)?|(?:(?:19|20)[0-9]{2}|[0-9]{2})[0-9]{4})(?![0-9])"
_ONES = "[일이삼사오육칠팔구]"
_OLD_YEAR = rf"(?<![0-9가-힣])(?:19[2-9][0-9]|200[0-5]|[4-9][0-9]|(?:천\s?구백\s?)?[사오육칠팔구]십\s?{_ONES}?|[오육칠팔구](?:{_ONES}|[공영])|이천\s?(?:[일이삼사오])?)\s?년(?:생|도)?"
_MONTH = r"(?:1[0-2]|0?[1-9]|십[일이]?|[일이삼사오유육칠팔구시])\s?월"
_NO_BIRTH = r"(?!\s*[.일]?\s*(?:자\s?)?(?:선고|판결|시행|계약|체결|작성|녹음|촬영|부터|까지|경(?![가-힣])|[0-2]?[0-9]:[0-5][0-9]))"
_DAY = rf"(?:[12][0-9]|3[01]|0?[1-9]|[이삼]?십\s?{_ONES}?|{_ONES})\s?일(?!곱|\s?(?:간|동안))"
_SUFFIX = r"St(?:reet)?|Ave(?:nue)?|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Terrace|Crescent|Square"

_RULES: Final[tuple[tuple[Kind, str, str], ...]] = (
    ("email", "email.written", r"(?:(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]+|(?<![가-힣])[가-힣]{2,})\s?@\s?[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+"),
    (
        "email",
        "email.spoken",
        # from the beginning of a word only: from each sign of it, a long one would take the square of its length
        r"(?<![A-Za-z0-9가-힣._\-])[A-Za-z0-9가-힣._\-]+(?:\s[A-Za-z0-9]+){0,4}\s?(?:골뱅이|앳)\s?[A-Za-z가-힣0-9]+\s?(?:점|쩜|닷|\.)\s?"
        r"(?:컴|넷|오알지|씨오\s?(?:점\s?)?케이알|com|net|org|co\.?\s?kr|kr)"
        r"|(?<![A-Za-z0-9._\-])[A-Za-z0-9._\-]+(?:\s(?:dot|underscore|dash)\s[A-Za-z0-9]+)*\s(?:at)\s[A-Za-z0-9\-]+(?:\s?dot\s?(?:com|net|org|co|kr|uk|edu))+",
    ),
    ("url", "url", r"https?://[^\s\"'<>]+|www\.[^\s\"'<>]+|(?<![\w.@-])[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?:com|net|org|kr|io|me)(?![\w-])(?:/[^\s\"'<>]*)?"),
    (
        "plate",
        "plate",
        rf"(?<![0-9A-Za-z])(?:(?:{_REGION})\s?)?[0-9]{{2,3}}\s?[{_PLATE_SIGNS}]\s?[0-9]{{4}}(?![0-9])"
        rf"|(?<![가-힣])(?:[공영일이삼사오육륙칠팔구]{{2,3}}|[일이삼사오육칠팔구]?십[일이삼사오육칠팔구]?)\s?[{_PLATE_SIGNS}]"
        rf"\s(?:[공영일이삼사오육륙칠팔구]{{4}}|[0-9]{{4}})(?![0-9])",
    ),
    (
        "phone",
        "phone.counted",
        rf"(?<![0-9가-힣])(?:공일[공일육칠팔구]|영일[영일육칠팔구]|01[016789]|[공영]이|02)(?:\s?(?:에|다시|의|-)?\s?){_COUNT}{{2,7}}"
        rf"(?:\s?(?:에|다시|의|-)\s?|\s){_COUNT}{{2,7}}",
    ),
    (
        "number",
        "number.birth",
        rf"(?:생년월일|생일|birth(?:day|date)?|born)(?:[은이:]|\s|is|on|of|date){{0,4}}(?<![0-9])({_DATE})"
        rf"|(?<![0-9])(?:{_DATE}|[0-9]{{6}})\s?생(?!명|각|활|산|신|일|방|중)",
    ),
    # a whole date of a year in which most who telephone today were born; what happened then may be masked, too
    (
        "number",
        "number.birth_date",
        rf"{_OLD_YEAR}\s?{_MONTH}\s?{_DAY}{_NO_BIRTH}|(?<![0-9.\-/])(?<!버전\s)(?:19[2-9][0-9]|200[0-5])\s?[-./]\s?[0-9]{{1,2}}\s?[-./]\s?[0-9]{{1,2}}(?![0-9])(?!\s?[-./]\s?[0-9]){_NO_BIRTH}",
    ),
    ("address", "address.street", rf"(?:(?:{_REGION})\s)?(?:(?:{_AREA})\s){{0,3}}{_STREET}\s?(?=[0-9]|지하|{_COUNT}{{2}})(?!이사|사이|일이|오일|일일이){_HOUSE}(?:\s?번?길\s?{_HOUSE})?(?:번지|번)?{_TAIL}"),
    ("address", "address.lot", rf"(?:(?:{_REGION})\s)?(?:(?:{_AREA})\s){{0,3}}(?<![가-힣])[가-힣]{{1,6}}(?:동|리|가)\s?{_HOUSE}\s?번지{_TAIL}"),
    ("address", "address.unit", rf"(?:{_BUILDING}\s?)?(?<![0-9가-힣]){_UNIT}(?![가-힣]{{2}}름)"),
    ("address", "address.building", rf"(?<![가-힣]){_BUILDING}\s?{_COUNT}+\s?(?:동|호|층)"),
    ("address", "address.area", rf"(?<![가-힣])(?:{_REGION})(?:\s(?:{_AREA}))+{_TAIL}"),
    (
        "address",
        "address.pair",
        rf"(?<![가-힣])(?!다시|잠시|역시|혹시|도시|임시|즉시|표시|무시|감시|택시|주시|접시)[가-힣]{{2,4}}(?:시|군)\s[가-힣]{{1,4}}[구읍면](?:\s[가-힣]{{1,6}}[0-9]?[동리])?(?![가-힣]{{2}}){_TAIL}",
    ),
    ("address", "address.district", rf"(?<![가-힣])(?:{_SEOUL})구(?:\s[가-힣]{{1,6}}[0-9]?동(?![가-힣]{{2}}))?{_TAIL}"),
    (
        "address",
        "address.english",
        rf"\b(?:\d{{1,5}}|[A-Z][a-z]+teen|[A-Z]?[a-z]+ty(?:[- ][a-z]+)?)\s(?:[NSEW]\.?\s|North\s|South\s|East\s|West\s)?(?:[A-Z][\w'’]*\s){{1,3}}"
        rf"(?:{_SUFFIX})\b\.?(?:,?\s(?:Apt|Apartment|Unit|Suite|#)\.?\s?\w+)?(?:,\s[A-Z][a-z]+(?:\s[A-Z][a-z]+)?)?(?:,?\s[A-Z]{{2}})?(?:\s\d{{5}}(?:-\d{{4}})?)?",
    ),
    ("address", "address.english_unit", r"\b(?:Apt|Apartment|Suite|Unit|Room|apartment|unit)\.?\s(?:number\s)?\d+[A-Za-z]?\b|\bzip(?:\scode)?(?:\sis)?\s\d{5}\b"),
)  # fmt: skip
_COMPILED: Final = tuple((kind, rule, re.compile(pattern)) for kind, rule, pattern in _RULES)


def find_patterns(text: str) -> list[Hit]:
    """E-mail, web, plates and addresses of a text."""
    return [
        Hit(*found.span(found.lastindex or 0), kind, rule, compact(found[found.lastindex or 0]))
        for kind, rule, pattern in _COMPILED
        for found in pattern.finditer(text)
        if rule != "phone.counted" or set(found.group()) & set("십백천")  # others are rows of digits
    ]
