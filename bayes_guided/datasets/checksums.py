"""SHA-256 digests of the public files that are known by name: a damaged or altered copy is not taken for the data set."""

import hashlib
from pathlib import Path

from bayes_guided.exceptions import ChecksumError

# Keys are "folder/file", the folder as `_set_name` has it, IDX files without ".gz": digests are of the content, so that
# any compression of it serves.
_KNOWN = {
    "mnist/t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "mnist/t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "mnist/train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "mnist/train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "fashionmnist/t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "fashionmnist/t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "fashionmnist/train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "fashionmnist/train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "concrete/data.txt": "43d290fd2c2a399ad7e62c45cab5337ba94ece69ebdcf5875aa668cb886243de",
    "concrete/index_features.txt": "d59784813bbf8e9a47929bbd4195498a43979c690f9e799cfe2e14522217c48d",
    "concrete/index_target.txt": "aa67a169b0bba217aa0aa88a65346920c84c42447c36ba5f7ea65f422c1fe5d8",
    "concrete/index_test_0.txt": "69bd13f7a52b4d5b3dc57de6500b4d7ed94ea02e8d63966f3c40843b201ec096",
    "concrete/index_test_1.txt": "7bc06328ee8eb31533ecb357d71080e5d1d63ab516b563692f35051f53ec01c8",
    "concrete/index_test_2.txt": "f615546ccdb73741f6e40f2a494f978e9e51d3b145ffdfc2834e4e36362f95b7",
    "concrete/index_test_3.txt": "1812afeda23b769af64d3413d0486c5caafa2dacab781a3ca6688c0a294c6713",
    "concrete/index_test_4.txt": "01ea1b67d7a81825a283e6be236c3f05a49659e8cde86b03919171ad0bec369f",
    "concrete/index_train_0.txt": "1d1605c9b482da461ea993b8a52c1e1506d28e4be6e66f45509ba8635c63ba91",
    "concrete/index_train_1.txt": "5712691b6fb92f1aebf0a82138270ade425c16a03ab4a764cb1345d66caf45ac",
    "concrete/index_train_2.txt": "8617c44a6f3c13f8dcb9afcda7cada629e9e7ab15de4186d418a7939711d1b4b",
    "concrete/index_train_3.txt": "b1df50e1132052844bcab36de3fe03f8448f409a987dc91955eb997c12612088",
    "concrete/index_train_4.txt": "65b87d241caadd74d6984c6ef3000b18e06cbbe8988f224509cffd49cb629f2c",
    "energy/data.txt": "7f8bf024cea437267d56be99b7af7bb3faebec8a7bccfbb20d06d52d9372a950",
    "energy/index_features.txt": "d59784813bbf8e9a47929bbd4195498a43979c690f9e799cfe2e14522217c48d",
    "energy/index_target.txt": "aa67a169b0bba217aa0aa88a65346920c84c42447c36ba5f7ea65f422c1fe5d8",
    "energy/index_test_0.txt": "12bdd7e6746abade4105435c88b4f6904196bb269619157a5727b535a57300fb",
    "energy/index_test_1.txt": "319d041a2fa875fc955d900539552ce4b737cd00112c87db2614bba2133114cc",
    "energy/index_test_2.txt": "43c6eff682c525e390a8760d37ff16058ddb12d0e4d6ffe5fe9616267bd0ead4",
    "energy/index_test_3.txt": "f93f25db2772222939314f2e4f5afc62deecb9f24b19fcb3aa2565a72712e1e5",
    "energy/index_test_4.txt": "466bcd9db8dec70b793484e0d46d796492151fd1dbbe0b91d7df267bba2b1738",
    "energy/index_train_0.txt": "3be1cccd8ecbbd27a3372bcca40c8ddaa49926b54a00f58afe20a3a27a174f80",
    "energy/index_train_1.txt": "33b795ff256473378d50299935781729b90d36133555681d30debffc0aeab618",
    "energy/index_train_2.txt": "1fe337eddc40679b4633dab7030e76a9f6e4363be1c1c1a003d9d8ae4edfba4c",
    "energy/index_train_3.txt": "cb41d80ae9e13735aaf808e2ca0a3c92df9657bf68f3f0305a58118830275e85",
    "energy/index_train_4.txt": "0b09afeb7841d618fc4e486799c85290555ab06ee5b4e689ebdb7ed5f85cdc85",
    "powerplant/data.txt": "daebd20c408dfc5c4979604f240e891be162c3a5d00d662380aa669044a1fb31",
    "powerplant/index_features.txt": "e169bdf59fac30d230f7d21be511d04dc8cc61e5edb1d8255758bc220ba3d4c7",
    "powerplant/index_target.txt": "7de1555df0c2700329e815b93b32c571c3ea54dc967b89e81ab73b9972b72d1d",
    "powerplant/index_test_0.txt": "12275c4b408fe4a27a7272f72d1a0fad33f9dd91907d07ca4dcdc9563d13e397",
    "powerplant/index_test_1.txt": "a2909139a326cb87c6d23a813c024a4bf46dff7fa15e3a8591246a0a2111796d",
    "powerplant/index_test_2.txt": "5313b81d4f6364d2343f68b830ce9187d801c56824830c786a045d88d3b6eb87",
    "powerplant/index_test_3.txt": "e752268a6abe68634423c6f9255c5d8eec5720d9997debeaac2ee765319f8e8e",
    "powerplant/index_test_4.txt": "feae409a2e4ab9d173253362f7c55154329f21cc4cf322d1fe9075ca5cf8b29d",
    "powerplant/index_train_0.txt": "11db86b904ee546292ac81a2e02be5011f526c49d9c62d61f0578db0172c7c71",
    "powerplant/index_train_1.txt": "bad779b961b07999867abd6488fea0724c8a5db72e543d42a83bec75cc01456b",
    "powerplant/index_train_2.txt": "a823a42e379b42eabe3ef9cf71b49bdd9fdddfe7bd67be018adc0c936be2fb69",
    "powerplant/index_train_3.txt": "86d98f4529c8cbb9c33569ce5b2dd1e5b174c0da0b4b2b3a4f4a62eb59551c35",
    "powerplant/index_train_4.txt": "893838cb0e0f81361b173105f864fd1dbed58c7a149acdfc6c6442e96d326ef7",
    "yacht/data.txt": "00dfecc0fc01ddd4c90b558a3ac11b246df8ebcfea130724223475a9a67f0ea1",
    "yacht/index_features.txt": "9d6093db34ed3db1834973eb10698ddb099971d39ac0e4707485d5f5aa5b0595",
    "yacht/index_target.txt": "06e9d52c1720fca412803e3b07c4b228ff113e303f4c7ab94665319d832bbfb7",
    "yacht/index_test_0.txt": "33c78273201aaa8d811d67c02245251269f30e0f0baa437f5c75783f88870f32",
    "yacht/index_test_1.txt": "ce1c6f118c89d7e43f9d3b5a6a4f05aae42d885e634e01b2a0eb4ba3931e70f0",
    "yacht/index_test_2.txt": "0b02c817ea1aad46cb0add5c446e37756f8fb0b4e17ccc781cdeacb2156012d9",
    "yacht/index_test_3.txt": "659aed8592745bf152740a27b8a9f9c26acea749c057bda1b5f867fe70082f4f",
    "yacht/index_test_4.txt": "e51acba07bf454d3662b9b5bc07992f6f0dd8ac6c04173ec3d8a6e311523bbf9",
    "yacht/index_train_0.txt": "0c6697467a830fb08f1ab228d89fd63688b38ac5461f013d2865174fe7a0dd1e",
    "yacht/index_train_1.txt": "c05deb91cf19e969053f9467db436a16b7202bb009ac4d40ed63413f7fafd1b8",
    "yacht/index_train_2.txt": "0aa274ddc1b12cfd59770a0253bdf2c9b4877110a2bf330a83c5d1da08c94aa0",
    "yacht/index_train_3.txt": "a23310388deb25f4e42c66f7a9972b0d008f48d86fdc5bddf4724eaea35b0b5c",
    "yacht/index_train_4.txt": "c908f0e451f4251c1f5672dc5ed80f3cbcb66ca278baab81f183f492201106fa",
}


def check_known(path: Path, content: bytes | bytearray) -> None:
    """Refuse a known file with other content; files of other names, or in folders of other names, are the user's own.

    `content` is what the file holds once decompressed. "mnist", "MNIST" and torchvision's "MNIST/raw" are one name.

    Raises:
        ChecksumError: if the digest is not that of the public file.
    """
    expected = _KNOWN.get(f"{_set_name(path.resolve().parent)}/{path.name.removesuffix('.gz')}")
    found = hashlib.sha256(content).hexdigest()
    if expected is not None and found != expected:
        raise ChecksumError(
            f"{path}: SHA-256 of its content is {found[:16]}..., of the public file {expected[:16]}...; fetch it again, or "
            "rename its folder if the data are meant to be others."
        )


def _set_name(folder: Path) -> str:
    """The name of the data set that a folder's own name says, without capitals and hyphens."""
    name = folder.parent.name if folder.name == "raw" else folder.name
    return name.lower().replace("-", "").replace("_", "")
