"""jupyter_kernel_gateway's own tests of its WebSocket mode, unchanged, against this gateway.

Every one of them is named below: as kept, or with the reason why it says nothing about this gateway.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.contract import clients_env
from tests.live import Gateway

pytestmark = pytest.mark.kernel

SOURCES = clients_env.ROOT / ".venv-clients" / "suites"
CONFTEST = Path(__file__).with_name("suites") / "jkg_conftest.py"

KEPT = {
    "TestDefaults.test_startup",
    "TestDefaults.test_options_without_auth_token",
    "TestDefaults.test_auth_token",
    "TestDefaults.test_get_api",
    "TestDefaults.test_get_kernelspecs",
    "TestDefaults.test_get_kernels",
    "TestDefaults.test_kernel_comm",
    "TestDefaults.test_crud_sessions",
    "TestDefaults.test_kernel_env",
    "TestDefaults.test_get_swagger_yaml_spec",
    "TestDefaults.test_get_swagger_json_spec",
    "TestDefaults.test_kernel_env_auth_token",
    "TestEnableDiscovery.test_enable_kernel_list",
}
_SETTINGS = "changes settings of its server while that runs"
_SEED = "about an option to run a notebook in every new kernel"
_CLASSES = "about classes of their server, without a request"
LEFT_OUT = {
    "TestDefaults.test_headless": "wants 404 for /api/contents, / and /tree; here / says what this is",
    "TestDefaults.test_check_origin": f"{_SETTINGS}; an Origin that is not allowed gets 403 here, not 404",
    "TestDefaults.test_cors_headers": _SETTINGS,
    "TestDefaults.test_cors_options_headers": _SETTINGS,
    "TestDefaults.test_max_kernels": f"{_SETTINGS}; one kernel too many is 429 here, not 403",
    "TestDefaults.test_no_discovery": "listing is forbidden there; here each key sees its own kernels, and no others",
    "TestDefaults.test_json_errors": "begins with the 403 for listing; the form of errors is tried in tests/api",
    "TestDefaults.test_config_bad_api_value": _CLASSES,
    "TestCustomDefaultKernel.test_default_kernel_name": "about an option that names a kernel which does not exist",
    "TestForceKernel.test_force_kernel_name": "about an option to start another kernel than was asked for",
    "TestPrespawnKernels.test_prespawn_count": "kernels made ahead are listed there; here nobody sees them",
    "TestPrespawnKernels.test_prespawn_max_conflict": _CLASSES,
    "TestBaseURL.test_base_url": "about an option to serve under another path",
    "TestRelativeBaseURL.test_base_url": "about an option to serve under another path",
    "TestSeedURI.test_seed": _SEED,
    "TestRemoteSeedURI.test_seed": _SEED,
    "TestBadSeedURI.test_seed_error": _SEED,
    "TestBadSeedURI.test_seed_kernel_not_available": _CLASSES,
    "TestKernelLanguageSupport.test_seed_language_support": _SEED,
    "TestSessionApi.test_session_api": _CLASSES,
}
RESULT = re.compile(r"::(Test\w+)::(test_\w+)(?:\[\S+\])? (PASSED|FAILED|ERROR|SKIPPED)")


@pytest.fixture(scope="module")
def suite(clients: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their sources, with a conftest that starts no server."""
    place = tmp_path_factory.mktemp("suite")
    if not (found := list(SOURCES.glob("jupyter_kernel_gateway-*.tar.gz"))):
        pytest.skip("no suites in .venv-clients: 'make install-clients' puts them there")
    with tarfile.open(found[0]) as archive:
        # Python before 3.11.4 has no filters; newer ones want one.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        archive.extractall(place)
    (unpacked,) = place.iterdir()
    shutil.copy(CONFTEST, unpacked / "tests" / "conftest.py")
    (unpacked / "pytest.ini").write_text("[pytest]\n")
    return unpacked


def test_what_they_promise_to_clients_holds_here(suite: Path, allowing: Gateway) -> None:
    """Start, list, talk to and end kernels; tokens, sessions, variables, errors: each test that is about that passes."""
    where = {"GATEWAY_URL": allowing.url, "GATEWAY_TOKEN": allowing.token, "PYTHONPATH": str(suite)}
    quiet = ("-p", "no:cacheprovider", "-p", "no:anyio")
    done = clients_env.run_python(
        *("-m", "pytest", "-v", "--tb=short", *quiet, "--rootdir", str(suite), "-c", str(suite / "pytest.ini")),
        str(suite / "tests" / "test_jupyter_websocket.py"),
        env={**where, "KEPT_TESTS": " ".join(sorted(KEPT)), "LEFT_OUT_TESTS": " ".join(sorted(LEFT_OUT))},
    )
    results = {f"{match[1]}.{match[2]}": match[3] for match in RESULT.finditer(done.stdout)}
    assert results == dict.fromkeys(KEPT, "PASSED"), done.stdout[-12_000:] + done.stderr[-2_000:]
